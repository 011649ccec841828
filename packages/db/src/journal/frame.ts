/**
 * The journal's bytes. A segment file is a header and frames; each frame says how much of its segment was durable when it
 * was written. So damage in front of an intact frame is either a torn append, which nobody was promised (it begins at or
 * after what that frame vouches for), or the loss of something durable.
 *
 *     segment  = magic "ATOLLJ1\n" (8 bytes), first sequence number (u64), frames; in the last segment zeros may follow, written
 *                ahead of the next frames: they are an end, and no damage
 *     frame    = payload length (u32), CRC-32 of the payload (u32), payload
 *     payload  = type (u8), bytes of this segment that were synced before (u32) …
 *       type 1, entries: sequence number of the first entry (u64), count (u32), main (20 bytes; zeros: none yet), entries
 *       type 2, sealed:  the last sequence number that is in a commit (u64), that commit (20 bytes)
 *     entry    = clock: milliseconds (u48), counter (u16); number of changes (u32); changes
 *     change   = operation (u8: 0 delete, 1 JSON, 2 bytes), kind (u8: 0 objects, 1 lists),
 *                collection length (u8) and ASCII, id length (u16) and UTF-8, [content length (u32) and bytes, unless a delete]
 *
 * Integers are big-endian. Sequence numbers have no gaps, over segments too. A segment goes once a later one holds the note
 * that everything in it is sealed: where the first segment does not begin with number 1, such a note must be there. A segment
 * that follows another is created with such a note in one write, the header's.
 */
import { crc32 } from 'node:zlib'
import {
  assert,
  type Clock,
  type CollectionKind,
  type CollectionName,
  type CommitId,
  type ContentFormat,
  type ObjectId,
  type RecordId,
  type RecordRef,
} from '@atolldb/core'

export const SEGMENT_MAGIC = Buffer.from('ATOLLJ1\n', 'latin1')
export const SEGMENT_HEADER_BYTES = 16
const FRAME_HEADER_BYTES = 8
/** Type and synced bytes. */
const PAYLOAD_HEADER_BYTES = 1 + 4
const ENTRIES_HEADER_BYTES = PAYLOAD_HEADER_BYTES + 8 + 4 + 20
const SEALED_BYTES = PAYLOAD_HEADER_BYTES + 8 + 20
/** A segment that holds nothing but the note with which it was created. */
export const NOTED_HEADER_BYTES = SEGMENT_HEADER_BYTES + FRAME_HEADER_BYTES + SEALED_BYTES
const ENTRY_HEADER_BYTES = 8 + 4
const NO_COMMIT = Buffer.alloc(20)

export interface ChangeContent {
  readonly format: ContentFormat
  readonly bytes: Uint8Array
  /** The blob id of the bytes where it is known; not written, since it follows from them. */
  version?: ObjectId
}

/** One record's change as it was acknowledged; `content` undefined is a delete. */
export interface JournalChange extends RecordRef {
  readonly content: ChangeContent | undefined
}

/** One write, indivisible: one change, or those of a batch. */
export interface JournalEntry {
  readonly sequence: number
  /** The `main` that its writer saw. */
  readonly main: CommitId | undefined
  readonly clock: Clock
  readonly changes: readonly JournalChange[]
}

export type Frame =
  | { readonly type: 'entries'; readonly entries: readonly JournalEntry[] }
  | { readonly type: 'sealed'; readonly sequence: number; readonly commit: CommitId }

export function encodeSegmentHeader(firstSequence: number): Buffer {
  const header = Buffer.alloc(SEGMENT_HEADER_BYTES)
  SEGMENT_MAGIC.copy(header)
  header.writeBigUInt64BE(BigInt(firstSequence), 8)
  return header
}

/** Undefined when these are not the first bytes of a segment. */
export function decodeSegmentHeader(bytes: Buffer): number | undefined {
  if (bytes.length < SEGMENT_HEADER_BYTES || !bytes.subarray(0, 8).equals(SEGMENT_MAGIC)) return undefined
  return Number(bytes.readBigUInt64BE(8))
}

/** That everything up to this sequence number is in that commit. */
export interface SealNote {
  readonly sequence: number
  readonly commit: CommitId
}

export function encodeSealed({ sequence, commit }: SealNote, syncedBytes: number): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + SEALED_BYTES)
  const at = FRAME_HEADER_BYTES + PAYLOAD_HEADER_BYTES
  frame.writeBigUInt64BE(BigInt(sequence), at)
  frame.write(commit, at + 8, 'hex')
  finishFrame(frame, 2, syncedBytes)
  return frame
}

/** Collects the entries of one frame in one growing buffer. */
export class FrameBuilder {
  // Most frames hold one write; those of a stream grow.
  #buffer = Buffer.allocUnsafe(512)
  #length = 0
  #count = 0
  readonly #main: CommitId | undefined
  readonly #firstSequence: number

  constructor(main: CommitId | undefined, firstSequence: number) {
    this.#main = main
    this.#firstSequence = firstSequence
    this.#length = FRAME_HEADER_BYTES + ENTRIES_HEADER_BYTES
  }

  get main(): CommitId | undefined {
    return this.#main
  }

  get sizeBytes(): number {
    return this.#length
  }

  add(clock: Clock, changes: readonly JournalChange[]): void {
    this.#reserve(ENTRY_HEADER_BYTES)
    this.#buffer.writeUIntBE(clock.ms, this.#length, 6)
    this.#buffer.writeUInt16BE(clock.counter, this.#length + 6)
    this.#buffer.writeUInt32BE(changes.length, this.#length + 8)
    this.#length += ENTRY_HEADER_BYTES
    for (const change of changes) this.#addChange(change)
    this.#count++
  }

  #addChange(change: JournalChange): void {
    const { content } = change
    const contentBytes = content?.bytes.length ?? 0
    // An id of n UTF-16 units has at most 3n bytes.
    this.#reserve(2 + 1 + change.collection.length + 2 + change.id.length * 3 + 4 + contentBytes)
    const buffer = this.#buffer
    let at = this.#length
    buffer[at++] = content === undefined ? 0 : content.format === 'json' ? 1 : 2
    buffer[at++] = change.kind === 'objects' ? 0 : 1
    buffer[at++] = change.collection.length
    at += buffer.write(change.collection, at, 'latin1')
    const idBytes = buffer.write(change.id, at + 2, 'utf8')
    buffer.writeUInt16BE(idBytes, at)
    at += 2 + idBytes
    if (content !== undefined) {
      buffer.writeUInt32BE(contentBytes, at)
      at += 4
      buffer.set(content.bytes, at)
      at += contentBytes
    }
    this.#length = at
  }

  /** The frame's bytes; the builder must not be used again. */
  finish(syncedBytes: number): Buffer {
    const frame = this.#buffer.subarray(0, this.#length)
    const at = FRAME_HEADER_BYTES + PAYLOAD_HEADER_BYTES
    frame.writeBigUInt64BE(BigInt(this.#firstSequence), at)
    frame.writeUInt32BE(this.#count, at + 8)
    if (this.#main === undefined) NO_COMMIT.copy(frame, at + 12)
    else frame.write(this.#main, at + 12, 'hex')
    finishFrame(frame, 1, syncedBytes)
    return frame
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

function finishFrame(frame: Buffer, type: number, syncedBytes: number): void {
  frame.writeUInt8(type, FRAME_HEADER_BYTES)
  frame.writeUInt32BE(syncedBytes, FRAME_HEADER_BYTES + 1)
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, 0)
  frame.writeUInt32BE(crc32(frame.subarray(FRAME_HEADER_BYTES)), 4)
}

/** The payload of an intact frame at this offset, or undefined when there is none. */
export function framePayload(bytes: Buffer, offset: number): Buffer | undefined {
  if (offset + FRAME_HEADER_BYTES > bytes.length) return undefined
  const length = bytes.readUInt32BE(offset)
  const start = offset + FRAME_HEADER_BYTES
  if (length < SEALED_BYTES || start + length > bytes.length) return undefined
  const type = bytes[start]
  if (type !== 1 && type !== 2) return undefined
  const payload = bytes.subarray(start, start + length)
  return crc32(payload) === bytes.readUInt32BE(offset + 4) ? payload : undefined
}

export function frameLength(payload: Buffer): number {
  return FRAME_HEADER_BYTES + payload.length
}

/** How much of its segment was synced before this frame was written. */
export function framedSyncedBytes(payload: Buffer): number {
  return payload.readUInt32BE(1)
}

/** Decodes a payload whose CRC was right: anything wrong in it is our bug. */
export function decodePayload(payload: Buffer): Frame {
  if (payload[0] === 2) {
    const commit = payload.toString('hex', PAYLOAD_HEADER_BYTES + 8, SEALED_BYTES) as CommitId
    return { type: 'sealed', sequence: Number(payload.readBigUInt64BE(PAYLOAD_HEADER_BYTES)), commit }
  }
  const firstSequence = Number(payload.readBigUInt64BE(PAYLOAD_HEADER_BYTES))
  const count = payload.readUInt32BE(PAYLOAD_HEADER_BYTES + 8)
  const mainBytes = payload.subarray(PAYLOAD_HEADER_BYTES + 12, ENTRIES_HEADER_BYTES)
  const main = mainBytes.equals(NO_COMMIT) ? undefined : (mainBytes.toString('hex') as CommitId)
  const entries: JournalEntry[] = []
  let at = ENTRIES_HEADER_BYTES
  for (let i = 0; i < count; i++) {
    const clock = { ms: payload.readUIntBE(at, 6), counter: payload.readUInt16BE(at + 6) }
    const changeCount = payload.readUInt32BE(at + 8)
    at += ENTRY_HEADER_BYTES
    const changes: JournalChange[] = []
    for (let j = 0; j < changeCount; j++) {
      const change = decodeChange(payload, at)
      changes.push(change.change)
      at = change.end
    }
    entries.push({ sequence: firstSequence + i, main, clock, changes })
  }
  assert(at === payload.length, 'a journal frame is exactly its entries')
  return { type: 'entries', entries }
}

function decodeChange(payload: Buffer, start: number): { change: JournalChange; end: number } {
  let at = start
  const operation = payload.readUInt8(at)
  const kind: CollectionKind = payload.readUInt8(at + 1) === 0 ? 'objects' : 'lists'
  const collectionLength = payload.readUInt8(at + 2)
  at += 3
  const collection = payload.toString('latin1', at, at + collectionLength) as CollectionName
  at += collectionLength
  const idLength = payload.readUInt16BE(at)
  const id = payload.toString('utf8', at + 2, at + 2 + idLength) as RecordId
  at += 2 + idLength
  if (operation === 0) return { change: { kind, collection, id, content: undefined }, end: at }
  const length = payload.readUInt32BE(at)
  at += 4
  const bytes = Uint8Array.prototype.slice.call(payload, at, at + length)
  return {
    change: { kind, collection, id, content: { format: operation === 1 ? 'json' : 'bytes', bytes } },
    end: at + length,
  }
}
