import { type CommitGraph, type CommitId, isAtollError, type NodeId } from '@atolldb/core'
import type { JournalEntry } from '../journal/frame.ts'

/** Entries of a journal after a crash, by what they were made upon. */
export interface SortedEntries {
  /** Made upon `main`, or upon what this node itself sealed into `main` since: they are pending as if nothing had happened. */
  readonly pending: readonly JournalEntry[]
  /** Made upon another `main`: they become a head of their own. */
  readonly foreign: readonly { readonly main: CommitId; readonly entries: readonly JournalEntry[] }[]
}

/**
 * Sorts what the journal holds by lineage. An entry records the `main` that its writer saw; what this node sealed upon that
 * contained nothing but the writer's own past, so a chain of own data commits leads from one to the other. An entry made
 * before there was a `main` counts as made upon the root of the cluster. One whose `main` the repository does not have (it
 * was restored from a backup) is pending, since there is nothing else left to build upon.
 */
export async function sortByLineage(
  graph: CommitGraph,
  node: NodeId,
  main: CommitId | undefined,
  root: CommitId | undefined,
  entries: readonly JournalEntry[],
): Promise<SortedEntries> {
  if (main === undefined) return { pending: entries, foreign: [] }
  const lineage = await ownLineage(graph, node, main)
  const pending: JournalEntry[] = []
  const foreign = new Map<CommitId, JournalEntry[]>()
  for (const entry of entries) {
    const base = entry.main ?? root
    if (base === undefined || lineage.has(base) || !(await isKnown(graph, base))) {
      pending.push(entry)
      continue
    }
    const group = foreign.get(base)
    if (group === undefined) foreign.set(base, [entry])
    else group.push(entry)
  }
  return { pending, foreign: [...foreign].map(([base, group]) => ({ main: base, entries: group })) }
}

async function isKnown(graph: CommitGraph, commit: CommitId): Promise<boolean> {
  try {
    await graph.node(commit)
    return true
  } catch (error) {
    if (isAtollError(error, 'MISSING')) return false
    throw error
  }
}

/** Seals between two notes in the journal are few; so many are looked at. */
const MAX_LINEAGE = 1_000

/** `main` and what lies below it as far as this node alone made it, down to the first commit that it built upon. */
async function ownLineage(graph: CommitGraph, node: NodeId, main: CommitId): Promise<Set<CommitId>> {
  const lineage = new Set<CommitId>([main])
  let at = await graph.node(main)
  while (at.type === 'data' && at.stamp.node === node && lineage.size < MAX_LINEAGE) {
    const [parent] = at.parents
    if (parent === undefined) break
    lineage.add(parent)
    at = await graph.node(parent)
  }
  return lineage
}
