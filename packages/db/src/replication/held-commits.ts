import { type CommitId, type DataNode, isAhead } from '@atolldb/core'

/**
 * Commits whose clock is ahead of our wall clock, with their descendants: verified and kept, but not adopted before our
 * clock catches up. They do not move our clock.
 */
export class HeldCommits {
  readonly #nodeById = new Map<CommitId, DataNode>()

  get size(): number {
    return this.#nodeById.size
  }

  has(id: CommitId): boolean {
    return this.#nodeById.has(id)
  }

  add(node: DataNode): void {
    this.#nodeById.set(node.id, node)
  }

  /** Takes out those that need not wait any more; `nowMs` undefined frees all. */
  release(nowMs: number | undefined): CommitId[] {
    const freed: CommitId[] = []
    // Parents were added before their children, so one pass in that order is enough.
    for (const node of this.#nodeById.values()) {
      if (nowMs !== undefined && isAhead(node.clock, nowMs)) continue
      if (node.seen.some(seen => this.#nodeById.has(seen))) continue
      this.#nodeById.delete(node.id)
      freed.push(node.id)
    }
    return freed
  }
}
