import { type Clock, type CommitGraph, type CommitId, compareClock, isAtollError } from '@atolldb/core'
import type { DataDirectory } from '../directory/data-directory.ts'
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

/** The commits that `main` leads to, as far as they can be read, and the clock of the latest that the node made. */
export async function ownHistory(
  graph: CommitGraph,
  main: CommitId | undefined,
  node: string | undefined,
): Promise<{ commits: ReadonlySet<CommitId>; latestOwnClock: Clock | undefined }> {
  let latestOwnClock: Clock | undefined
  const pending = main === undefined ? [] : [main]
  const commits = new Set(pending)
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    try {
      const commit = await graph.node(id)
      const isOwn = commit.type !== 'merge' && commit.stamp.node === node
      if (isOwn && (latestOwnClock === undefined || compareClock(commit.clock, latestOwnClock) > 0))
        latestOwnClock = commit.clock
      for (const parent of commit.parents) {
        if (!commits.has(parent)) pending.push(parent)
        commits.add(parent)
      }
    } catch (error) {
      if (!isAtollError(error, 'MISSING') && !isAtollError(error, 'CORRUPT')) throw error
    }
  }
  return { commits, latestOwnClock }
}
