import type { CommitGraph, DataNode } from '../commits/commit-graph.ts'
import { byStamp } from '../commits/commit-graph.ts'
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
    for (const commit of byStamp(this.#diverged.flatMap(commits => [...commits.values()]))) {
      let bits = 0n
      for (const parent of commit.seen) {
        let parentBits = seen.get(parent)
        if (parentBits === undefined) seen.set(parent, (parentBits = await this.#commonIn(parent)))
        bits |= parentBits
      }
      seen.set(commit.id, bits)
    }
    return seen
  }

  async #commonIn(parent: CommitId): Promise<bigint> {
    let bits = 0n
    for (const [i, { id }] of this.#common.entries())
      if (await this.#graph.isAncestor(id, parent)) bits |= 1n << BigInt(i)
    return bits
  }
}
