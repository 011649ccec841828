import { diffStates, type ObjectId, type ObjectReader, type RecordEdit } from '@atolldb/core'
import { breathe } from '../scheduling/breathe.ts'
import type { ViewChange } from './view.ts'

const BATCH_RECORDS = 1_000

/** What the view lacks to go from one state to another, in batches: from nothing, all of it. */
export async function* viewChanges(
  reader: ObjectReader,
  before: ObjectId | undefined,
  after: ObjectId | undefined,
): AsyncGenerator<ViewChange[]> {
  let batch: ViewChange[] = []
  for await (const differences of diffStates(reader, before, after)) {
    for (const { kind, collection, id, after: content } of differences)
      batch.push(await loadChange(reader, { kind, collection, id, content }))
    if (batch.length < BATCH_RECORDS) continue
    yield batch
    batch = []
    await breathe()
  }
  if (batch.length > 0) yield batch
}

/** An edit with the bytes that it brings. */
export async function loadChange(
  reader: Pick<ObjectReader, 'readBlob' | 'blobAtHand'>,
  { kind, collection, id, content }: RecordEdit,
): Promise<ViewChange> {
  if (content === undefined) return { kind, collection, id, content: undefined }
  const { format, version } = content
  const atHand = reader.blobAtHand?.(version)
  // What is at hand is to be used at once, and a change waits for the view.
  const bytes = content.bytes ?? (atHand && Buffer.from(atHand)) ?? (await reader.readBlob(version))
  return { kind, collection, id, content: { format, bytes } }
}
