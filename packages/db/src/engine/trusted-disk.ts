import { isAtollError } from '@atolldb/core'
import type { Journal } from '../journal/journal.ts'

/**
 * Runs work that makes something durable. Where the disk fails, nothing that is written afterwards can be vouched for: a sync that is
 * tried again may succeed though what it was to keep was dropped. So the journal takes no more writes, and no such work is begun.
 *
 * @throws STORAGE_FAILED, then and from then on; what the work fails with
 */
export async function onTrustedDisk<Result>(
  journal: Pick<Journal, 'failure' | 'refuse'>,
  work: () => Promise<Result>,
): Promise<Result> {
  const { failure } = journal
  if (isAtollError(failure, 'STORAGE_FAILED')) throw failure
  try {
    return await work()
  } catch (error) {
    if (isAtollError(error, 'STORAGE_FAILED')) journal.refuse(error)
    throw error
  }
}
