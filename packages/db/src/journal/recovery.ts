import { corrupt } from '@atolldb/core'
import {
  decodePayload,
  decodeSegmentHeader,
  framedSyncedBytes,
  frameLength,
  framePayload,
  NOTED_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
  type JournalEntry,
  type SealNote,
} from './frame.ts'

/** What one segment file holds. */
export interface RecoveredSegment {
  readonly firstSequence: number
  readonly entries: readonly JournalEntry[]
  /** In the order they were written. */
  readonly sealed: readonly SealNote[]
  /** Length of the intact part; what follows is room for more, or a torn tail that nobody was promised. */
  readonly goodBytes: number
  /** So much of it was durable when its last frame was written. */
  readonly vouchedBytes: number
}

/**
 * Reads a segment. Zeros at the end of the last segment are room for more; a damaged end of it is a torn append. Both are left
 * out; damage anywhere else, or in front of a frame that knew it to be durable, is CORRUPT: nothing that was acknowledged is ever
 * skipped in silence. Undefined where the last segment was not created to its end.
 *
 * @throws CORRUPT
 */
export function recoverSegment(
  file: string,
  bytes: Buffer,
  { isFirst, isLast }: { readonly isFirst: boolean; readonly isLast: boolean },
): RecoveredSegment | undefined {
  const firstSequence = decodeSegmentHeader(bytes)
  if (firstSequence === undefined) {
    // What is written to create a segment is one write: no more than that, and not whole, is a creation that power loss cut short.
    // The note that may be part of it is in the segment before as well.
    if (isLast && bytes.length <= (isFirst ? SEGMENT_HEADER_BYTES : NOTED_HEADER_BYTES)) return undefined
    throw corrupt(file, 'it does not begin as a journal segment')
  }
  const entries: JournalEntry[] = []
  const sealed: SealNote[] = []
  let next = firstSequence
  let offset = SEGMENT_HEADER_BYTES
  let vouchedBytes = 0
  for (;;) {
    const payload = framePayload(bytes, offset)
    if (payload === undefined) break
    const frame = decodePayload(payload)
    if (frame.type === 'sealed') sealed.push(frame)
    else {
      const first = frame.entries[0]?.sequence ?? next
      if (first !== next) throw corrupt(file, `entry ${next} is missing at byte ${offset}`)
      for (const entry of frame.entries) entries.push(entry)
      next += frame.entries.length
    }
    vouchedBytes = framedSyncedBytes(payload)
    offset += frameLength(payload)
  }
  if (offset < bytes.length) {
    if (!isLast) throw corrupt(file, `damaged at byte ${offset}, with later segments behind it`)
    const later = findWitness(bytes, offset)
    if (later !== undefined)
      throw corrupt(file, `damaged at byte ${offset}, which was durable when an intact frame at ${later} was written`)
  }
  return { firstSequence, entries, sealed, goodBytes: offset, vouchedBytes }
}

/** The offset of an intact frame that was written when the damaged byte was durable. */
function findWitness(bytes: Buffer, damaged: number): number | undefined {
  for (let offset = damaged + 1; offset + 8 < bytes.length; offset++) {
    // The cheap test first: most offsets fail on it.
    const type = bytes[offset + 8]
    if (type !== 1 && type !== 2) continue
    const payload = framePayload(bytes, offset)
    if (payload === undefined) continue
    const syncedBytes = framedSyncedBytes(payload)
    if (syncedBytes > damaged && syncedBytes <= offset) return offset
  }
  return undefined
}
