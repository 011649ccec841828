import type { CommitGraph, DataNode } from '../commits/commit-graph.ts'
import { byStamp } from '../commits/commit-graph.ts'
import { compareStamp } from '../commits/stamp.ts'
import type { CommitId } from '../ids.ts'

/** Tells which of the commits that diverged have seen the whole common past. */
export class CommonPast {
  readonly #graph: CommitGraph
  readonly #common: readonly DataNode[]
  readonly #diverged: readonly ReadonlyMap<CommitId, DataNode>[]
  /** By commit, the common commits in its ancestry (bit `i`: `common[i]`). */
  #seen: Map<CommitId, bigint> | undefined

  /** Each commit that is common is one of `common` or an ancestor of one. */
  constructor(graph: CommitGraph, common: readonly DataNode[], diverged: readonly ReadonlyMap<CommitId, DataNode>[]) {
    this.#graph = graph
    this.#common = common
    this.#diverged = diverged
  }

  /** `commit` is one that diverged. */
  async isSeenBy(commit: DataNode): Promise<boolean> {
    this.#seen ??= await this.#computeSeen()
    return this.#seen.get(commit.id) === (1n << BigInt(this.#common.length)) - 1n
  }

  /** One pass, the earliest first, so that the parents' answers are there. */
  async #computeSeen(): Promise<Map<CommitId, bigint>> {
    const seen = new Map<CommitId, bigint>()
    const [earliest] = byStamp(this.#common)
    if (earliest === undefined) return seen
    for (const [i, { id }] of this.#common.entries()) seen.set(id, 1n << BigInt(i))
    for (const commit of byStamp((await this.#notBefore(earliest)).values())) {
      let bits = seen.get(commit.id) ?? 0n
      for (const parent of commit.seen) bits |= seen.get(parent) ?? 0n
      seen.set(commit.id, bits)
    }
    return seen
  }

  /** What diverged, and of its ancestry whatever may descend from `earliest`: stamps increase along ancestry. */
  async #notBefore(earliest: DataNode): Promise<ReadonlyMap<CommitId, DataNode>> {
    const found = new Map(this.#diverged.flatMap(commits => [...commits]))
    const pending = [...found.values()]
    for (let commit = pending.pop(); commit !== undefined; commit = pending.pop())
      for (const id of commit.seen) {
        if (found.has(id)) continue
        const parent = await this.#graph.dataNode(id)
        if (compareStamp(parent.stamp, earliest.stamp) < 0) continue
        found.set(id, parent)
        pending.push(parent)
      }
    return found
  }
}
