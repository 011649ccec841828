import { isAtollError } from '@atolldb/core'
import type { JournalContent } from '../journal/journal.ts'
import { readSegments } from '../journal/segments.ts'
import { corruptionOf } from './check-files.ts'
import type { Finding } from './finding.ts'

export interface JournalCheck {
  readonly findings: readonly Finding[]
  /** Undefined where it cannot be read. */
  readonly content: JournalContent | undefined
}

/** Every frame of every segment, and that no entry is missing between them. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function checkJournal(directory: string): Promise<JournalCheck> {
  let content: JournalContent | undefined
  const finding = await corruptionOf('journal', async () => {
    content = await readSegments(directory).catch((error: unknown) => {
      // A node that has not begun has none, and one that lost it is as if it had sealed everything.
      if (isAtollError(error, 'NOT_ACCESSIBLE') && isMissing(error.cause)) return { entries: [], sealedSequence: 0 }
      throw error
    })
  })
  return { findings: finding === undefined ? [] : [finding], content }
}

function isMissing(cause: unknown): boolean {
  return (cause as NodeJS.ErrnoException | undefined)?.code === 'ENOENT'
}
