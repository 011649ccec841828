import {
  AtollError,
  diffStates,
  lookupRecord,
  type ObjectId,
  type ObjectReader,
  type RecordDifference,
  sameContent,
  type StoredContent,
} from '@atolldb/core'
import type { RecordChange, StoredValue } from '../api/history.ts'
import { contentToValue } from '../engine/content.ts'
import { type CheckedScope, scopeHasCollection } from './record-scope.ts'

/** How the records of two trees differ, in the order of their ids within each collection. Costs what differs. */
export async function* recordDifferences(
  reader: ObjectReader,
  before: ObjectId | undefined,
  after: ObjectId | undefined,
  scope: CheckedScope | undefined,
): AsyncGenerator<RecordDifference, void, void> {
  if (scope?.some(({ id }) => id !== undefined) === true) {
    for (const { kind, collection, id } of scope) {
      const ref = { kind, collection, id: id! }
      const was = await lookupRecord(reader, before, ref)
      const is = await lookupRecord(reader, after, ref)
      if (!sameContent(was, is)) yield { ...ref, before: was, after: is }
    }
    return
  }
  const only = scopeHasCollection.bind(undefined, scope)
  for await (const batch of diffStates(reader, before, after, { only })) yield* batch
}

/** The same with values. @throws ABORTED */
export async function* changesBetween(
  reader: ObjectReader,
  before: ObjectId | undefined,
  after: ObjectId | undefined,
  { scope, signal }: { readonly scope: CheckedScope | undefined; readonly signal?: AbortSignal | undefined },
): AsyncGenerator<RecordChange, void, void> {
  for await (const difference of recordDifferences(reader, before, after, scope)) {
    if (signal?.aborted === true) throw new AtollError('ABORTED', 'the diff was aborted', { what: 'diff' })
    yield await loadRecordChange(reader, difference)
  }
}

export async function loadRecordChange(
  reader: Pick<ObjectReader, 'readBlob'>,
  { kind, collection, id, before, after }: RecordDifference,
): Promise<RecordChange> {
  const op = after === undefined ? 'delete' : 'put'
  return { kind, collection, id, op, before: await loadValue(reader, before), after: await loadValue(reader, after) }
}

async function loadValue(
  reader: Pick<ObjectReader, 'readBlob'>,
  content: StoredContent | undefined,
): Promise<StoredValue | undefined> {
  if (content === undefined) return undefined
  const { format, version } = content
  const bytes = content.bytes ?? (await reader.readBlob(version))
  return { value: contentToValue<unknown>({ format, bytes }), version }
}
