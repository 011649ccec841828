import { AtollError, MAX_COMMIT_CHANGES, MAX_COMMIT_VALUE_BYTES } from '@atolldb/core'
import type { JournalChange } from '../journal/frame.ts'

/** What is all or nothing must fit one commit. @throws TOO_LARGE */
export function checkBatchSize(changes: readonly JournalChange[]): void {
  if (changes.length > MAX_COMMIT_CHANGES)
    throw new AtollError('TOO_LARGE', `batch: ${changes.length} changes, at most ${MAX_COMMIT_CHANGES}`, {
      what: 'changes of a batch',
      limit: MAX_COMMIT_CHANGES,
      actual: changes.length,
    })
  let bytes = 0
  for (const change of changes) bytes += change.content?.bytes.length ?? 0
  if (bytes > MAX_COMMIT_VALUE_BYTES)
    throw new AtollError('TOO_LARGE', `batch: ${bytes} bytes, at most ${MAX_COMMIT_VALUE_BYTES}`, {
      what: 'bytes of a batch',
      limit: MAX_COMMIT_VALUE_BYTES,
      actual: bytes,
    })
}
