import {
  conflictCollection,
  isConflictCollection,
  type ObjectId,
  parseCollectionKind,
  parseCollectionName,
  type RecordRef,
  settingsRef,
} from '@atolldb/core'
import type { CollectionRef, Dropped, WriteOptions } from '../api/collections.ts'
import { contentVersion } from '../engine/content.ts'
import type { RecordStore } from '../engine/record-store.ts'
import type { ViewContent } from '../view/encoding.ts'
import { recordChanges } from './writes.ts'

/** Deleted in one turn of the loop, and journaled as one entry. */
const RECORDS_PER_WRITE = 1_000

/** A record, or a conflict entry, as the drop found it. */
interface Seen {
  readonly ref: RecordRef
  readonly version: ObjectId
}

/**
 * Deletes what is in a collection as of now, the conflicts of deleted records and the settings included. What is written or
 * adopted meanwhile is not touched: the drop has not seen it, as if that had happened on another node.
 *
 * The settings go last, so that a drop that ended early leaves them with the records, and can be called again.
 */
export async function dropCollection(
  store: RecordStore,
  { kind, name }: CollectionRef,
  { signal }: WriteOptions = {},
): Promise<Dropped> {
  const collection = parseCollectionName(name)
  const settings = settingsRef(parseCollectionKind(kind), collection)
  const entries = conflictCollection(kind, collection)
  // All three are of this turn. What ends the reading of the entries early is the end of the view, and of all its ranges.
  const inRecords = store.range(kind, collection, {})
  const inEntries = store.range('objects', entries, {})
  const inSettings = store.read(settings)

  const conflicts: Seen[] = []
  for await (const [id, content] of inEntries)
    conflicts.push(seen({ kind: 'objects', collection: entries }, id, content))
  let records = 0
  let batch: Seen[] = []
  for await (const [id, content] of inRecords) {
    batch.push(seen({ kind, collection }, id, content))
    if (batch.length < RECORDS_PER_WRITE) continue
    records += await deleteUnchanged(store, batch, signal)
    batch = []
  }
  records += await deleteUnchanged(store, batch, signal)
  // Those of the records went with them.
  for (let i = 0; i < conflicts.length; i += RECORDS_PER_WRITE)
    await deleteUnchanged(store, conflicts.slice(i, i + RECORDS_PER_WRITE), signal)
  if (inSettings !== undefined) await deleteUnchanged(store, [seen(settings, settings.id, inSettings)], signal)
  return { records }
}

function seen({ kind, collection }: Omit<RecordRef, 'id'>, id: string, content: ViewContent): Seen {
  return { ref: { kind, collection, id: id as RecordRef['id'] }, version: contentVersion(content) }
}

/** Resolves with how many of them were still as they were found. A record in conflict takes its conflict entry with it. */
async function deleteUnchanged(
  store: RecordStore,
  batch: readonly Seen[],
  signal: AbortSignal | undefined,
): Promise<number> {
  if (batch.length === 0) return 0
  return store.write(() => {
    const found = batch.filter(({ ref, version }) => {
      const content = store.read(ref)
      return content !== undefined && contentVersion(content) === version
    })
    const changes = found.flatMap(({ ref }) =>
      isConflictCollection(ref.collection)
        ? [{ ...ref, content: undefined }]
        : recordChanges(store, ref, undefined, { settles: true }),
    )
    return { changes, result: found.length }
  }, signal)
}
