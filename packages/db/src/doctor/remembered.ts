import { type Clock, type CommitGraph, type CommitId, compareClock, type GraphNode } from '@atolldb/core'
import type { DataDirectory } from '../directory/data-directory.ts'
import { readableNode } from '../engine/readable-node.ts'
import { clockBehind } from '../engine/seal.ts'
import { readMoves } from '../history/moves.ts'
import { withViewCopy } from './check-view.ts'
import { readIntactFrames } from './mend-journal.ts'

/** Every commit that view and journal know of as a `main` of this node. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function rememberedCommits(directory: DataDirectory): Promise<CommitId[]> {
  const { entries, notes } = await readIntactFrames(directory.journal)
  const commits = new Set<CommitId | undefined>([
    ...entries.map(({ main }) => main),
    ...notes.map(({ commit }) => commit),
  ])
  await withViewCopy(directory.view, async ({ mark }) => {
    commits.add(mark?.main)
    commits.add(mark?.next?.main)
  })
  return [...commits].filter(id => id !== undefined)
}

/** Every `main` that the node had, as far as its log is intact. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function pastMains(directory: DataDirectory): Promise<CommitId[]> {
  return [...new Set((await readMoves(directory.state)).map(({ main }) => main))]
}

/**
 * The commits that `main` leads to, as far as they can be read, and the clock of the latest that the node made of entries with that
 * clock. One whose clock was moved behind its parent's, since its entries were made before the parent was known, says nothing of
 * entries with clocks in between: those may be pending still.
 */
export async function ownHistory(
  graph: CommitGraph,
  main: CommitId | undefined,
  node: string | undefined,
): Promise<{ commits: ReadonlySet<CommitId>; latestOwnClock: Clock | undefined }> {
  const own: GraphNode[] = []
  const commits = await walkReadable(graph, main === undefined ? [] : [main], commit => {
    if (commit.type === 'data' && commit.stamp.node === node) own.push(commit)
  })
  for (const commit of own.toSorted((a, b) => compareClock(b.clock, a.clock)))
    if (!(await isMovedBehindParent(graph, commit))) return { commits, latestOwnClock: commit.clock }
  return { commits, latestOwnClock: undefined }
}

/** Or may be: an entry can have that very clock. Then it counts as pending, and is sealed as the same commit again. */
async function isMovedBehindParent(graph: CommitGraph, { clock, parents }: GraphNode): Promise<boolean> {
  const [first] = parents
  const parent = first === undefined ? undefined : await readableNode(graph, first)
  return parent !== undefined && compareClock(clock, clockBehind(parent.clock)) === 0
}

/** All commits that those given lead to, themselves included; behind one that cannot be read nothing is seen. */
export async function walkReadable(
  graph: CommitGraph,
  from: Iterable<CommitId>,
  visit: (commit: GraphNode) => void = () => undefined,
): Promise<ReadonlySet<CommitId>> {
  const pending = [...from]
  const commits = new Set(pending)
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const commit = await readableNode(graph, id)
    if (commit === undefined) continue
    visit(commit)
    for (const parent of commit.parents) {
      if (!commits.has(parent)) pending.push(parent)
      commits.add(parent)
    }
  }
  return commits
}
