import { type AtollError, type CommitGraph, type CommitId, compareClock, corrupt, type GraphNode } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { Log } from '../api/database.ts'
import { reclockedCommits } from './before-reclock.ts'
import { type Branch, MAIN_REF } from './branch.ts'

export interface LostMainParts {
  readonly branch: Branch
  readonly graph: CommitGraph
  readonly repository: Repository
  readonly log: Log
}

/**
 * A node that had a `main` and finds none does not begin anew: the ref is put back to the latest commit that view or journal
 * remember, and where none of those is there the open stops before anything is changed.
 * @throws CORRUPT
 */
export async function restoreLostMain(
  { branch, graph, repository, log }: LostMainParts,
  remembered: Iterable<CommitId | undefined>,
  hasBegun: boolean,
): Promise<void> {
  if (branch.state !== undefined) return
  const known = [...new Set(remembered)].filter(id => id !== undefined)
  let latest: GraphNode | undefined
  const replaced = await reclockedCommits(repository, graph)
  for (const id of known)
    if (!replaced.has(id) && (await repository.has(id))) latest = laterOf(latest, await graph.node(id))
  if (latest === undefined) {
    if (known.length > 0 || hasBegun) throw lostMain(repository)
    return
  }
  log('error', 'the branch was missing and has been put back', { ref: MAIN_REF, commit: latest.id })
  await branch.move({ main: latest.id, heads: await graph.headsOfMain(latest.id), tree: latest.tree })
}

/** A merge commit has the clock of its latest parent, and knows more. */
export function laterOf(a: GraphNode | undefined, b: GraphNode): GraphNode {
  if (a === undefined) return b
  const order = compareClock(a.clock, b.clock)
  return order > 0 || (order === 0 && a.type === 'merge') ? a : b
}

function lostMain(repository: Repository): AtollError<'CORRUPT'> {
  const file = `${repository.directory}/${MAIN_REF}`
  const reason = 'it is not there, nor is any commit that this node remembers; is the disk mounted, the backup whole?'
  return corrupt(file, reason)
}
