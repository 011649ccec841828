import type { CommitGraph, DataNode } from '../commits/commit-graph.ts'
import { StampQueue } from '../commits/stamp-queue.ts'
import type { Stamp } from '../commits/stamp.ts'
import type { ObjectReader } from '../contracts/object-store.ts'
import type { CommitId, RecordRef } from '../ids.ts'
import { recordKey } from '../ids.ts'
import { lookupRecord } from '../layout/index.ts'
import { sameContent, type StoredContent } from '../records.ts'
import { conflictEntryRef } from './conflict-entry.ts'
import type { MergeContext } from './merge-context.ts'

export type CommonValueContext = Omit<MergeContext, 'store'> & { readonly store: ObjectReader }

/** A commit on the way, with the versions that descend from it (bit `i`: `versions[i]`). */
interface Walked {
  readonly commit: DataNode
  readonly stamp: Stamp
  descendants: bigint
}

/** Commits between two breaths. */
const BREATH = 256

/**
 * What a record was before its versions parted: the latest change to it that all of them descend from. Undefined where there
 * was none, or it was a delete. Costs what lies between the versions and their common past; only where even that has the
 * record in conflict it walks on, to the latest of those versions.
 */
export async function commonValue(
  context: CommonValueContext,
  ref: RecordRef,
  versions: readonly CommitId[],
): Promise<StoredContent | undefined> {
  const { graph, store, changes } = context
  const key = recordKey(ref)
  const all = (1n << BigInt(versions.length)) - 1n
  const walk = new DescendingWalk(graph, all)
  for (const [i, id] of versions.entries()) await walk.reach(id, 1n << BigInt(i))
  let isAsked = false
  for (let walked = 1; walk.size > 0; walked++) {
    if (walked % BREATH === 0) await context.breathe?.()
    if (!isAsked && walk.isCommon) {
      isAsked = true
      const agreed = await agreedContent(store, ref, walk.commits())
      if (agreed !== undefined) return agreed.content
    }
    const { commit, descendants } = walk.next()
    if (descendants === all) {
      const change = (await changes.of(commit)).get(key)
      if (change !== undefined) return change.after
    }
    for (const id of commit.seen) await walk.reach(id, descendants)
  }
  return undefined
}

/** Commits from some down, the latest first, so that all descendants of the next one are known. */
class DescendingWalk {
  readonly #graph: CommitGraph
  readonly #all: bigint
  readonly #queue = new StampQueue<Walked>()
  readonly #queued = new Map<CommitId, Walked>()

  constructor(graph: CommitGraph, all: bigint) {
    this.#graph = graph
    this.#all = all
  }

  get size(): number {
    return this.#queue.size
  }

  /** All versions descend from all that is left. */
  get isCommon(): boolean {
    return this.#queue.values().every(({ descendants }) => descendants === this.#all)
  }

  commits(): DataNode[] {
    return this.#queue.values().map(({ commit }) => commit)
  }

  async reach(id: CommitId, descendants: bigint): Promise<void> {
    const known = this.#queued.get(id)
    if (known !== undefined) {
      known.descendants |= descendants
      return
    }
    const commit = await this.#graph.dataNode(id)
    const walked = { commit, stamp: commit.stamp, descendants }
    this.#queued.set(id, walked)
    this.#queue.push(walked)
  }

  next(): Walked {
    const walked = this.#queue.pop()!
    this.#queued.delete(walked.commit.id)
    return walked
  }
}

/** What the record is in all of these commits, if it is the same and in conflict in none. */
async function agreedContent(
  store: ObjectReader,
  ref: RecordRef,
  commits: readonly DataNode[],
): Promise<{ readonly content: StoredContent | undefined } | undefined> {
  const [first, ...others] = commits
  if (first === undefined) return undefined
  for (const { tree } of commits)
    if ((await lookupRecord(store, tree, conflictEntryRef(ref))) !== undefined) return undefined
  const content = await lookupRecord(store, first.tree, ref)
  for (const { tree } of others) if (!sameContent(await lookupRecord(store, tree, ref), content)) return undefined
  return { content }
}
