import type { CommitId } from '../ids.ts'
import type { CommitGraph, DataNode } from './commit-graph.ts'
import { StampQueue } from './stamp-queue.ts'

/** What the histories of two sets of data commits have apart and in common. */
export interface Divergence {
  /** Data commits that are in the left history only, the latest first. */
  readonly left: readonly DataNode[]
  /** Data commits that are in the right history only, the latest first. */
  readonly right: readonly DataNode[]
  /**
   * Commits in both such that each commit in both is one of them or an ancestor of one. Some may be ancestors of others:
   * telling those apart would mean to walk below what diverged.
   */
  readonly common: readonly DataNode[]
}

const LEFT = 1
const RIGHT = 2
const COMMON = LEFT | RIGHT
/** A descendant of it is common too, so it is not needed to name the common part. */
const COVERED = 4

/** Commits between two breaths. */
const BREATH = 1024

interface Walked {
  readonly node: DataNode
  readonly stamp: DataNode['stamp']
  flags: number
}

/**
 * Walks down both histories, the latest commit first, until only common commits are left to look at: it costs what
 * diverged, wherever in a long history that is. `breathe` is called now and then, so that others get their turn.
 */
export async function divergence(
  graph: CommitGraph,
  left: readonly CommitId[],
  right: readonly CommitId[],
  options: { readonly breathe?: (() => Promise<void>) | undefined } = {},
): Promise<Divergence> {
  const queue = new StampQueue<Walked>()
  const queued = new Map<CommitId, Walked>()
  // How many in the queue are not common yet.
  let open = 0

  const flag = async (id: CommitId, flags: number): Promise<void> => {
    let walked = queued.get(id)
    if (walked === undefined) {
      const node = await graph.dataNode(id)
      walked = { node, stamp: node.stamp, flags: 0 }
      queued.set(id, walked)
      queue.push(walked)
      open++
    }
    const wasOpen = (walked.flags & COMMON) !== COMMON
    walked.flags |= flags
    if (wasOpen && (walked.flags & COMMON) === COMMON) open--
  }

  for (const id of left) await flag(id, LEFT)
  for (const id of right) await flag(id, RIGHT)
  const result = { left: [] as DataNode[], right: [] as DataNode[], common: [] as DataNode[] }
  for (let looked = 1; open > 0; looked++) {
    if (looked % BREATH === 0) await options.breathe?.()
    // All descendants of the latest commit left were looked at before it, so its flags are final.
    const { node, flags } = queue.pop()!
    queued.delete(node.id)
    const side = flags & COMMON
    if (side !== COMMON) open--
    if (side === LEFT) result.left.push(node)
    else if (side === RIGHT) result.right.push(node)
    else if ((flags & COVERED) === 0) result.common.push(node)
    for (const id of node.seen) await flag(id, side === COMMON ? COMMON | COVERED : side)
  }
  for (const { node, flags } of queue.values()) if ((flags & COVERED) === 0) result.common.push(node)
  return result
}
