import { applyEdits, isAtollError, type ObjectId, type RecordEdit } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { View } from '../view/view.ts'
import type { ObjectSource } from './object-source.ts'

const EDITS_A_STEP = 10_000

/**
 * What the view's records make: since the tree is a function of its records, that is every object of the state it holds. Keeps
 * that state in memory.
 */
export async function viewSource(view: View, repository: Repository): Promise<ObjectSource> {
  const scratch = repository.stage()
  let tree: ObjectId | undefined
  let edits: RecordEdit[] = []
  const apply = async (): Promise<void> => {
    ;({ tree } = await applyEdits(scratch, tree, edits))
    edits = []
  }
  try {
    for (const { kind, collection } of view.collections())
      for await (const [id, { format, bytes }] of view.range(kind, collection, {})) {
        const version = scratch.writeBlob(bytes)
        edits.push({ kind, collection, id, content: { format, version, bytes } } as RecordEdit)
        if (edits.length >= EDITS_A_STEP) await apply()
      }
    await apply()
  } catch (error) {
    // What was read until then is as good.
    if (!isAtollError(error, 'CORRUPT')) throw error
  }
  return { read: id => Promise.resolve(scratch.readStaged(id)), close: () => Promise.resolve() }
}
