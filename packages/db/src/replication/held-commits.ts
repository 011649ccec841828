import {
  type CommitGraph,
  type CommitId,
  type DataNode,
  divergence,
  isAhead,
  MAX_COMMITS_HELD_BACK,
  type NodeId,
} from '@atolldb/core'
import { breathe } from '../scheduling/breathe.ts'

/**
 * Commits whose clock is ahead of our wall clock, with their descendants: verified and kept, but not adopted before our
 * clock catches up. They do not move our clock.
 */
export class HeldCommits {
  readonly #nodeById = new Map<CommitId, DataNode>()

  get size(): number {
    return this.#nodeById.size
  }

  get room(): number {
    return MAX_COMMITS_HELD_BACK - this.size
  }

  has(id: CommitId): boolean {
    return this.#nodeById.has(id)
  }

  /** Those that no other one descends from. */
  heads(): CommitId[] {
    const heads = new Set(this.#nodeById.keys())
    for (const { seen } of this.#nodeById.values()) for (const id of seen) heads.delete(id)
    return [...heads]
  }

  /** Is there one that need not wait any more? `nowMs` undefined: our clock is not fit to judge, none needs to. */
  isAnyDue(nowMs: number | undefined): boolean {
    for (const { clock } of this.#nodeById.values()) if (nowMs === undefined || !isAhead(clock, nowMs)) return true
    return false
  }

  /**
   * Sorts data commits in the repository, and what they descend from, into those that are held back from now on and the
   * rest. `nowMs` undefined: nothing is held.
   */
  async sift(
    graph: CommitGraph,
    ours: readonly CommitId[],
    commits: readonly CommitId[],
    nowMs: number | undefined,
  ): Promise<Sifted> {
    const { left } = await divergence(graph, commits, ours, { breathe })
    const free: CommitId[] = []
    const tips = new Set<CommitId>()
    const held = new Set<CommitId>()
    // The earliest first, so parents come before their children.
    for (const node of left.toReversed()) {
      if ((nowMs !== undefined && isAhead(node.clock, nowMs)) || node.seen.some(seen => held.has(seen))) {
        held.add(node.id)
        if (this.room > 0) this.#nodeById.set(node.id, node)
        continue
      }
      free.push(node.id)
      for (const seen of node.seen) tips.delete(seen)
      tips.add(node.id)
    }
    const apart = new Set(left.map(node => node.id))
    return { free, tips: [...tips], known: commits.filter(id => !apart.has(id)) }
  }

  /**
   * A node told all its heads, which we have, and they do not lead to commits of its own that we hold back: it has replaced them
   * (`reclock`), or lost them. They would come back as concurrent with what it made of them, so they are not waited for. One that told
   * older heads tells these again, and they are held as before.
   */
  async forgetReplaced(graph: CommitGraph, author: NodeId, heads: readonly CommitId[]): Promise<void> {
    const isOwn = ({ stamp }: DataNode): boolean => stamp.node === author
    const held = [...this.#nodeById.values()]
    const own = held.filter(isOwn).map(({ id }) => id)
    if (own.length === 0) return
    // What another node built upon stays with it.
    const wanted = [...heads, ...held.filter(node => !isOwn(node)).map(({ id }) => id)]
    const { left } = await divergence(graph, own, wanted, { breathe })
    for (const node of left) if (isOwn(node)) this.#nodeById.delete(node.id)
  }

  /** They are adopted. */
  release(commits: readonly CommitId[]): void {
    for (const id of commits) this.#nodeById.delete(id)
  }
}

/** What need not be held back. */
export interface Sifted {
  readonly free: readonly CommitId[]
  /** Those of them that no other one of them descends from. */
  readonly tips: readonly CommitId[]
  /** Of the commits asked about those in our history. */
  readonly known: readonly CommitId[]
}
