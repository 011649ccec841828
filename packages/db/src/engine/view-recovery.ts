import { type CommitGraph, type CommitId, isAtollError, lookupRecord, type ObjectId, recordKey } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { JournalChange } from '../journal/frame.ts'
import type { JournalContent } from '../journal/journal.ts'
import type { ViewMark } from '../view/encoding.ts'
import { loadChange, viewChanges } from '../view/fill.ts'
import type { View, ViewChange } from '../view/view.ts'
import { breathe } from '../scheduling/breathe.ts'

export interface ViewRecoveryParts {
  readonly view: View
  readonly repository: Repository
  readonly graph: CommitGraph
}

/** What the view is to hold: the records of a state, and nothing that is not sealed. */
export interface RecoveryTarget {
  readonly main: CommitId | undefined
  readonly tree: ObjectId | undefined
  readonly journal: JournalContent
}

const BATCH_RECORDS = 1_000

/**
 * Makes the view exactly the state of `main`: by what it lacks where its mark can be believed, else from nothing. What is
 * in the journal and not sealed goes on top of it afterwards.
 * @throws CORRUPT (the repository's), STORAGE_FULL, NOT_ACCESSIBLE, STORAGE_FAILED; the view is of no use then
 */
export async function recoverView(parts: ViewRecoveryParts, target: RecoveryTarget): Promise<void> {
  const { view, repository } = parts
  view.beginRecovery()
  if (!(await caughtUp(parts, target))) {
    await view.clear()
    for await (const batch of viewChanges(repository, undefined, target.tree)) await view.apply(batch, undefined)
    await view.apply([], finalMark(target))
  }
  view.endRecovery()
}

/** Sequence numbers in the view may have been given out again since (it is not synced with the journal), so it says ours. */
function finalMark({ main, journal: { sealedSequence } }: RecoveryTarget): ViewMark {
  return { main, sealed: sealedSequence, sequence: sealedSequence }
}

/**
 * The view holds the state of one `main`, or a part of what leads to another, with entries of the journal on top. A record
 * that is the same in those states and ours, and that no such entry touched, is right; the others are looked up.
 */
async function caughtUp(parts: ViewRecoveryParts, target: RecoveryTarget): Promise<boolean> {
  const { view, repository, graph } = parts
  const { mark } = view
  if (mark === undefined) return false
  const touched = touchedChanges(mark, target.journal)
  // Two states and ours besides: a mark can name no three, should this be cut short.
  const isMixed = mark.next !== undefined && mark.next.main !== mark.main && mark.next.main !== target.main
  if (touched === undefined || isMixed) return false
  const next = { main: target.main, sequence: untilSequence(mark) }
  try {
    if (mark.main !== target.main) {
      const tree = mark.main === undefined ? undefined : (await graph.node(mark.main)).tree
      for await (const batch of viewChanges(repository, tree, target.tree)) await view.apply(batch, { ...mark, next })
    }
    for await (const batch of lookedUp(repository, target.tree, touched)) await view.apply(batch, { ...mark, next })
    await view.apply([], finalMark(target))
    return true
  } catch (error) {
    // A repository that was restored from elsewhere does not know its main; or it is damaged itself.
    if (isAtollError(error, 'MISSING') || (isAtollError(error, 'CORRUPT') && error.data.file === view.path))
      return false
    throw error
  }
}

/** Changes that are, or may be, in the view on top of its `main`; undefined when the journal cannot tell any more. */
export function touchedChanges(mark: ViewMark, { entries }: JournalContent): readonly JournalChange[] | undefined {
  const until = untilSequence(mark)
  if (until <= mark.sealed) return []
  const from = entries[0]?.sequence ?? Infinity
  const last = entries.at(-1)?.sequence ?? 0
  if (from > mark.sealed + 1 || last < until) return undefined
  const changeByRecord = new Map<string, JournalChange>()
  for (const { sequence, changes } of entries)
    if (sequence > mark.sealed && sequence <= until)
      for (const change of changes) changeByRecord.set(recordKey(change), change)
  return [...changeByRecord.values()]
}

function untilSequence(mark: ViewMark): number {
  return Math.max(mark.sequence, mark.next?.sequence ?? 0)
}

async function* lookedUp(
  repository: Repository,
  tree: ObjectId | undefined,
  touched: readonly JournalChange[],
): AsyncGenerator<ViewChange[]> {
  for (let start = 0; start < touched.length; start += BATCH_RECORDS) {
    const batch: ViewChange[] = []
    for (const { kind, collection, id } of touched.slice(start, start + BATCH_RECORDS)) {
      const content = await lookupRecord(repository, tree, { kind, collection, id })
      batch.push(await loadChange(repository, { kind, collection, id, content }))
    }
    yield batch
    await breathe()
  }
}
