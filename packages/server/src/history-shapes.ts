import type { FeedChange, LogEntry, RecordChange, StoredValue } from 'atolldb'
import { contentShape } from './content-shape.ts'

export function logShape({ time, change, ...entry }: LogEntry): unknown {
  const shape = { ...entry, time: time.toISOString() }
  return change === undefined ? shape : { ...shape, change: recordChangeShape(change) }
}

/** Without `before` there was no record, without `after` there is none. */
export function recordChangeShape({ before, after, ...change }: RecordChange): unknown {
  return { ...change, before: storedShape(before), after: storedShape(after) }
}

function storedShape(stored: StoredValue | undefined): unknown {
  return stored && { ...contentShape(stored.value), version: stored.version }
}

export function feedChangeShape({ value, ...change }: FeedChange): unknown {
  return { ...change, ...contentShape(value) }
}
