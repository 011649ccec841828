import type { CommitId } from '../ids.ts'
import type { CommitGraph, DataNode } from './commit-graph.ts'
import { reduceHeads } from './heads.ts'
import { StampQueue } from './stamp-queue.ts'

/** Commits between two breaths. */
const BREATH = 256

/**
 * The heads of what was written by a moment: of some data commits and all that they descend from, those whose clock is not
 * later. Clocks grow along ancestry, so that the ancestors of one are among them, and they have a state. Sorted by id, of more
 * than 256 the first 256 by stamp, as for `main`; none where all is later. Reads what is later, and little more.
 */
export async function headsAt(
  graph: CommitGraph,
  heads: readonly CommitId[],
  ms: number,
  options: { readonly breathe?: (() => Promise<void>) | undefined } = {},
): Promise<readonly CommitId[]> {
  const queue = new StampQueue<DataNode>()
  const queued = new Set<CommitId>()
  const enqueue = async (id: CommitId): Promise<void> => {
    if (queued.has(id)) return
    queued.add(id)
    queue.push(await graph.dataNode(id))
  }
  for (const id of heads) await enqueue(id)
  for (let walked = 1; ; walked++) {
    if (walked % BREATH === 0) await options.breathe?.()
    const node = queue.pop()
    if (node === undefined) return []
    // The latest comes first: of those still queued none is later than this one.
    if (node.clock.ms <= ms) return (await reduceHeads(graph, [node.id, ...queue.values().map(({ id }) => id)])).heads
    for (const id of node.seen) await enqueue(id)
  }
}
