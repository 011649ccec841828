/**
 * The journal's bytes. A segment file is a header and frames; a frame is one append of one group of writers and is
 * followed by one fdatasync, so that a damaged frame with a later intact one behind it was damaged after it was durable.
 *
 *     segment  = magic "ATOLLJ1\n" (8 bytes), first sequence number (u64)
 *     frame    = payload length (u32), CRC-32 of the payload (u32), payload
 *     payload  = type (u8) …
 *       type 1, entries: flags (u8; bit 0: everything before this frame was synced), sequence number of the first entry (u64),
 *                        count (u32), main (20 bytes; zeros: none yet), entries
 *       type 2, sealed:  the last sequence number that is in a commit (u64), that commit (20 bytes)
 *     entry    = clock: milliseconds (u48), counter (u16); number of changes (u32); changes
 *     change   = operation (u8: 0 delete, 1 JSON, 2 bytes), kind (u8: 0 objects, 1 lists),
 *                collection length (u8) and ASCII, id length (u16) and UTF-8, [content length (u32) and bytes, unless a delete]
 *
 * Integers are big-endian. Sequence numbers have no gaps, over segments too.
 */
import { crc32 } from 'node:zlib'
import {
  assert,
  type Clock,
  type CollectionKind,
  type CollectionName,
  type CommitId,
  type ContentFormat,
  type RecordId,
  type RecordRef,
} from '@atolldb/core'

export const SEGMENT_MAGIC = Buffer.from('ATOLLJ1\n', 'latin1')
export const SEGMENT_HEADER_BYTES = 16
const FRAME_HEADER_BYTES = 8
const ENTRIES_HEADER_BYTES = 1 + 1 + 8 + 4 + 20
const ENTRY_HEADER_BYTES = 8 + 4
const NO_COMMIT = Buffer.alloc(20)

/** One record's change as it was acknowledged; `content` undefined is a delete. */
export interface JournalChange extends RecordRef {
  readonly content: { readonly format: ContentFormat; readonly bytes: Uint8Array } | undefined
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
  | { readonly type: 'entries'; readonly previousSynced: boolean; readonly entries: readonly JournalEntry[] }
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

export function encodeSealed(sequence: number, commit: CommitId): Buffer {
  const frame = Buffer.alloc(FRAME_HEADER_BYTES + 1 + 8 + 20)
  frame.writeUInt8(2, FRAME_HEADER_BYTES)
  frame.writeBigUInt64BE(BigInt(sequence), FRAME_HEADER_BYTES + 1)
  frame.write(commit, FRAME_HEADER_BYTES + 9, 'hex')
  finishFrame(frame)
  return frame
}

/** Collects the entries of one frame in one growing buffer. */
export class FrameBuilder {
  #buffer = Buffer.allocUnsafe(64 * 1024)
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
  finish(previousSynced: boolean): Buffer {
    const frame = this.#buffer.subarray(0, this.#length)
    let at = FRAME_HEADER_BYTES
    frame.writeUInt8(1, at)
    frame.writeUInt8(previousSynced ? 1 : 0, at + 1)
    frame.writeBigUInt64BE(BigInt(this.#firstSequence), at + 2)
    frame.writeUInt32BE(this.#count, at + 10)
    at += 14
    if (this.#main === undefined) NO_COMMIT.copy(frame, at)
    else frame.write(this.#main, at, 'hex')
    finishFrame(frame)
    return frame
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return
    const larger = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, this.#length + bytes))
    this.#buffer.copy(larger, 0, 0, this.#length)
    this.#buffer = larger
  }
}

function finishFrame(frame: Buffer): void {
  frame.writeUInt32BE(frame.length - FRAME_HEADER_BYTES, 0)
  frame.writeUInt32BE(crc32(frame.subarray(FRAME_HEADER_BYTES)), 4)
}

/** The payload of an intact frame at this offset, or undefined when there is none. */
export function framePayload(bytes: Buffer, offset: number): Buffer | undefined {
  if (offset + FRAME_HEADER_BYTES > bytes.length) return undefined
  const length = bytes.readUInt32BE(offset)
  const start = offset + FRAME_HEADER_BYTES
  if (length === 0 || start + length > bytes.length) return undefined
  const type = bytes[start]
  if (type !== 1 && type !== 2) return undefined
  const payload = bytes.subarray(start, start + length)
  return crc32(payload) === bytes.readUInt32BE(offset + 4) ? payload : undefined
}

export function frameLength(payload: Buffer): number {
  return FRAME_HEADER_BYTES + payload.length
}

/** Decodes a payload whose CRC was right: anything wrong in it is our bug. */
export function decodePayload(payload: Buffer): Frame {
  if (payload[0] === 2) {
    const commit = payload.toString('hex', 9, 29) as CommitId
    return { type: 'sealed', sequence: Number(payload.readBigUInt64BE(1)), commit }
  }
  const firstSequence = Number(payload.readBigUInt64BE(2))
  const count = payload.readUInt32BE(10)
  const mainBytes = payload.subarray(14, 34)
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
  return { type: 'entries', previousSynced: payload[1] === 1, entries }
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
