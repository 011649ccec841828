import { diffStates, type ObjectId, type ObjectReader, type RecordDifference } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import { breathe } from '../scheduling/breathe.ts'
import type { ViewChange } from './view.ts'

const BATCH_RECORDS = 1_000

/** What the view lacks to go from one state to another, in batches: from nothing, all of it. */
export async function* viewChanges(
  repository: Repository,
  before: ObjectId | undefined,
  after: ObjectId | undefined,
): AsyncGenerator<ViewChange[]> {
  let batch: ViewChange[] = []
  for await (const differences of diffStates(repository, before, after)) {
    for (const difference of differences) batch.push(await loadChange(repository, difference))
    if (batch.length < BATCH_RECORDS) continue
    yield batch
    batch = []
    await breathe()
  }
  if (batch.length > 0) yield batch
}

/** A difference with the bytes that it brings. */
export async function loadChange(
  reader: Pick<ObjectReader, 'readBlob' | 'blobAtHand'>,
  { kind, collection, id, after }: RecordDifference,
): Promise<ViewChange> {
  if (after === undefined) return { kind, collection, id, content: undefined }
  const { format, version } = after
  const atHand = reader.blobAtHand?.(version)
  // What is at hand is to be used at once, and a change waits for the view.
  const bytes = after.bytes ?? (atHand && Buffer.from(atHand)) ?? (await reader.readBlob(version))
  return { kind, collection, id, content: { format, bytes } }
}
