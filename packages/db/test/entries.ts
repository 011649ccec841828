import type { Clock, CollectionName, CommitId, RecordId } from '@atolldb/core'
import type { JournalChange } from '../src/journal/frame.ts'
import type { Journal } from '../src/journal/journal.ts'

export function commitOf(number: number): CommitId {
  return number.toString(16).padStart(40, '0') as CommitId
}

export function clockOf(number: number): Clock {
  return { ms: 1_800_000_000_000 + number, counter: number % 7 }
}

export function putOf(id: string, value: unknown): JournalChange {
  const content = { format: 'json', bytes: Buffer.from(JSON.stringify(value)) } as const
  return { kind: 'objects', collection: 'things' as CollectionName, id: id as RecordId, content }
}

export function deleteOf(id: string): JournalChange {
  return { kind: 'objects', collection: 'things' as CollectionName, id: id as RecordId, content: undefined }
}

/** Resolves when the entry is durable. */
export function append(
  journal: Journal,
  main: CommitId | undefined,
  clock: Clock,
  changes: readonly JournalChange[],
): Promise<void> {
  return new Promise((resolve, reject) => void journal.append(main, clock, changes, { resolve, reject }))
}
