import { type RecordKey, recordKey } from '@atolldb/core'
import type { JournalEntry } from '../journal/frame.ts'

/** What an entry, and each change of it, take in memory beside ids and contents, roughly. */
const ENTRY_BYTES = 200
const CHANGE_BYTES = 300

/**
 * The first of the entries that go into one data commit: within the limits (at least one), and all made on the same `main`. A
 * record of a List that was deleted and then put back with another value needs two commits: one that changes a line is not valid.
 */
export function fittingEntries(entries: readonly JournalEntry[], maxChanges: number, maxBytes: number): JournalEntry[] {
  const taken: JournalEntry[] = []
  const deleted = new Set<RecordKey>()
  let changes = 0
  let bytes = 0
  for (const entry of entries) {
    changes += entry.changes.length
    bytes += entrySize(entry)
    if (taken.length > 0 && (changes > maxChanges || bytes > maxBytes || entry.main !== taken[0]?.main)) break
    if (
      deleted.size > 0 &&
      entry.changes.some(change => change.content !== undefined && deleted.has(recordKey(change)))
    )
      break
    for (const change of entry.changes)
      if (change.kind === 'lists' && change.content === undefined) deleted.add(recordKey(change))
    taken.push(entry)
  }
  return taken
}

export function entrySize(entry: JournalEntry): number {
  let size = ENTRY_BYTES
  for (const change of entry.changes) size += CHANGE_BYTES + change.id.length + (change.content?.bytes.length ?? 0)
  return size
}
