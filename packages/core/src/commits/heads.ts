import type { CommitId } from '../ids.ts'
import { MAX_MERGE_HEADS } from '../limits.ts'
import { byStamp } from './commit-graph.ts'
import type { CommitGraph, DataNode } from './commit-graph.ts'
import { StampQueue } from './stamp-queue.ts'

/** Which heads make `main`, and which are too many for now. */
export interface HeadSet {
  /** At most 256 data commits, none an ancestor of another, sorted by id. */
  readonly heads: readonly CommitId[]
  /** The rest, in the order of their stamps; each waits until commits that saw some of the heads make room. */
  readonly waiting: readonly CommitId[]
}

/** Those of the given data commits that are nobody's ancestor; of more than 256, the first 256 by stamp. */
export async function reduceHeads(graph: CommitGraph, ids: Iterable<CommitId>): Promise<HeadSet> {
  const heads = byStamp(await maximalCommits(graph, new Set(ids)))
  return {
    heads: heads
      .slice(0, MAX_MERGE_HEADS)
      .map(head => head.id)
      .sort(),
    waiting: heads.slice(MAX_MERGE_HEADS).map(head => head.id),
  }
}

/**
 * One walk down from all of them, the latest first, as far as the earliest of them: what the walk comes upon from above is
 * an ancestor.
 */
async function maximalCommits(graph: CommitGraph, ids: ReadonlySet<CommitId>): Promise<DataNode[]> {
  const candidates = new Map<CommitId, DataNode>()
  for (const id of ids) candidates.set(id, await graph.dataNode(id))
  const queue = new StampQueue<DataNode>([...candidates.values()])
  const visited = new Set(ids)
  const maximal = new Map(candidates)
  // Candidates still in the queue; below the last of them there is nothing to find.
  let left = candidates.size
  for (let node = queue.pop(); node !== undefined && left > 0; node = queue.pop()) {
    if (candidates.has(node.id)) left--
    if (left === 0) break
    for (const id of node.seen) {
      if (candidates.has(id)) maximal.delete(id)
      if (visited.has(id)) continue
      visited.add(id)
      queue.push(await graph.dataNode(id))
    }
  }
  return [...maximal.values()]
}
