import { editsSince, isAtollError, type ObjectReader, type State, type UnwrittenState } from '@atolldb/core'
import { breatheInSlices } from '../scheduling/breathe.ts'
import { loadChange } from '../view/fill.ts'
import type { ViewContent } from '../view/encoding.ts'
import type { ViewChange } from '../view/view.ts'
import type { RecordStore } from './record-store.ts'

/** What has to change for readers when a state takes the place of another one, which `store` shows now. */
export async function mergedChanges(
  store: Pick<RecordStore, 'shown'>,
  reader: ObjectReader,
  before: State,
  merged: UnwrittenState,
): Promise<ViewChange[]> {
  const breathe = breatheInSlices()
  const changes: ViewChange[] = []
  // Edits say what a record is to be, also where it is that already; differences of trees do not.
  const isExact = merged.edits.size === 0
  for await (const edits of editsSince(reader, before, merged))
    for (const edit of edits) {
      const change = await loadChange(reader, edit)
      if (isExact || !isShown(store, change)) changes.push(change)
      await breathe()
    }
  return changes
}

function isShown(store: Pick<RecordStore, 'shown'>, change: ViewChange): boolean {
  try {
    return isSameContent(store.shown(change), change.content)
  } catch (error) {
    // What the view cannot tell now keeps nobody from adopting: it is told again. Whoever reads the view next has it repaired.
    if (isAtollError(error) && error.code !== 'CLOSED') return false
    throw error
  }
}

function isSameContent(a: ViewContent | undefined, b: ViewContent | undefined): boolean {
  if (a === undefined || b === undefined) return a === b
  return a.format === b.format && Buffer.compare(a.bytes, b.bytes) === 0
}
