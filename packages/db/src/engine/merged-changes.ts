import {
  editsSince,
  lookupRecord,
  type ObjectReader,
  type RecordKey,
  recordKey,
  type State,
  type StoredContent,
  type UnwrittenState,
} from '@atolldb/core'
import { breatheInSlices } from '../scheduling/breathe.ts'
import { loadChange } from '../view/fill.ts'
import type { ViewChange } from '../view/view.ts'

/**
 * Every record of which it is said what it is when a state takes the place of another one, each once, with its bytes: edits say
 * it also where it is that already.
 */
export async function saidRecords(reader: ObjectReader, before: State, merged: UnwrittenState): Promise<ViewChange[]> {
  const breathe = breatheInSlices()
  const said: ViewChange[] = []
  for await (const edits of editsSince(reader, before, merged))
    for (const edit of edits) {
      said.push(await loadChange(reader, edit))
      await breathe()
    }
  return said
}

/**
 * Those of the said records that are not as before. `told`: what differs from `merged.tree`, as writing the state tells it. The
 * view is not asked: that would be a read a record, here and there, which takes the longer the more records there are.
 */
export async function differingRecords(
  reader: ObjectReader,
  before: State,
  merged: UnwrittenState,
  said: readonly ViewChange[],
  told: ReadonlySet<RecordKey>,
): Promise<readonly ViewChange[]> {
  if (merged.tree === before.tree) return said.filter(change => told.has(recordKey(change)))
  // A head that descends from all of ours brought its own tree, which edits may have put back to what ours said.
  const breathe = breatheInSlices()
  const changes: ViewChange[] = []
  for (const change of said) {
    const edit = merged.edits.get(recordKey(change))
    if (edit === undefined || !isSameContent(edit.content, await lookupRecord(reader, before.tree, change)))
      changes.push(change)
    await breathe()
  }
  return changes
}

function isSameContent(a: StoredContent | undefined, b: StoredContent | undefined): boolean {
  return a?.version === b?.version && a?.format === b?.format
}
