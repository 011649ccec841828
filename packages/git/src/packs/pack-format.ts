/**
 * git's pack file, version 2, and its index, version 2 (gitformat-pack).
 *
 * Pack:
 *
 *     "PACK"  uint32 2  uint32 <number of objects>
 *     per object: <header> <zlib stream of the content, or of a delta>
 *     <SHA-1 of all before>
 *
 * An object's header holds its kind and inflated size: the first byte has a continuation bit, three bits of kind and the
 * low four bits of the size; each further byte a continuation bit and the next seven bits of the size. A delta's base
 * stands between header and stream: for kind 6 as an offset back from the delta's own, in base 128 with the most
 * significant digit first and 1 added at each continuation; for kind 7 as an object id.
 *
 * Index:
 *
 *     ff 74 4f 63  uint32 2
 *     256 × uint32   how many objects have an id whose first byte is at most the slot's number
 *     n × 20 bytes   object ids, sorted
 *     n × uint32     CRC-32 of the object's bytes in the pack, header included
 *     n × uint32     offset in the pack; with the top bit set, the number of an entry in the next table
 *     m × uint64     offsets of 2 GiB and more
 *     <the pack's checksum>  <SHA-1 of all before>
 */
import type { ObjectType } from '../objects/object-id.ts'
import { MalformedObject } from '../objects/malformed-object.ts'

export const PACK_HEADER_BYTES = 12
export const CHECKSUM_BYTES = 20
export const INDEX_HEADER_BYTES = 8
export const FANOUT_BYTES = 1024
export const indexMagic = Buffer.from([0xff, 0x74, 0x4f, 0x63, 0, 0, 0, 2])
const packMagic = Buffer.from('PACK\0\0\0\x02', 'latin1')

const OFS_DELTA = 6
const REF_DELTA = 7
const kindByType = { commit: 1, tree: 2, blob: 3 } as const
const typeByKind: readonly (ObjectType | undefined)[] = [undefined, 'commit', 'tree', 'blob']
/** Header bytes of the largest object that is read: 4 bits, then 7 a byte; 8 bytes hold 2^53. */
export const LONGEST_ENTRY_HEADER = 8
/** Bytes of the longest distance to a base that is written or read: an id is longer. */
export const LONGEST_BASE_DISTANCE = 8

export type EntryKind = ObjectType | 'ofs-delta' | 'ref-delta'

export interface EntryHeader {
  readonly kind: EntryKind
  /** Of the content or delta, inflated. */
  readonly size: number
  /** Where the header ends. */
  readonly end: number
}

export function encodePackHeader(objectCount: number): Buffer {
  const bytes = Buffer.alloc(PACK_HEADER_BYTES)
  packMagic.copy(bytes)
  bytes.writeUInt32BE(objectCount, packMagic.length)
  return bytes
}

/** The number of objects. @throws MalformedObject */
export function parsePackHeader(bytes: Buffer): number {
  if (bytes.length < PACK_HEADER_BYTES || packMagic.compare(bytes, 0, packMagic.length) !== 0)
    throw new MalformedObject('not a pack of version 2')
  return bytes.readUInt32BE(packMagic.length)
}

/** Writes an object's header; returns where it ends. */
export function writeEntryHeader(target: Buffer, at: number, type: ObjectType | 'ofs-delta', size: number): number {
  let rest = Math.floor(size / 16)
  let byte = ((type === 'ofs-delta' ? OFS_DELTA : kindByType[type]) << 4) | (size & 15)
  while (rest > 0) {
    target[at++] = byte | 0x80
    byte = rest & 0x7f
    rest = Math.floor(rest / 128)
  }
  target[at++] = byte
  return at
}

/** Fewer bytes than the longest header are enough if the header ends within. @throws MalformedObject */
export function parseEntryHeader(bytes: Buffer, at: number): EntryHeader {
  let byte = byteAt(bytes, at)
  const kind = entryKind((byte >> 4) & 7)
  let size = byte & 15
  let end = at + 1
  for (let unit = 16; byte >= 0x80; unit *= 128) {
    if (end - at === LONGEST_ENTRY_HEADER) throw new MalformedObject('an object with an endless size')
    byte = byteAt(bytes, end++)
    size += (byte & 0x7f) * unit
  }
  return { kind, size, end }
}

function entryKind(kind: number): EntryKind {
  if (kind === OFS_DELTA) return 'ofs-delta'
  if (kind === REF_DELTA) return 'ref-delta'
  const type = typeByKind[kind]
  if (type === undefined) throw new MalformedObject(`an object of kind ${kind}`)
  return type
}

/** Writes the distance back to a base; returns where it ends. */
export function writeBaseDistance(target: Buffer, at: number, distance: number): number {
  let digits = 1
  for (let rest = Math.floor(distance / 128) - 1; rest >= 0; rest = Math.floor(rest / 128) - 1) digits++
  target[at + digits - 1] = distance % 128
  for (let rest = distance, digit = digits - 2; digit >= 0; digit--) {
    rest = Math.floor(rest / 128) - 1
    target[at + digit] = 0x80 | (rest % 128)
  }
  return at + digits
}

/** The distance back to the base of an offset delta, and where it ends. @throws MalformedObject */
export function parseBaseDistance(bytes: Buffer, at: number): { distance: number; end: number } {
  let byte = byteAt(bytes, at++)
  let distance = byte & 0x7f
  while (byte >= 0x80) {
    byte = byteAt(bytes, at++)
    distance = (distance + 1) * 128 + (byte & 0x7f)
    if (!Number.isSafeInteger(distance)) throw new MalformedObject('a delta with an endless distance')
  }
  return { distance, end: at }
}

function byteAt(bytes: Buffer, at: number): number {
  const byte = bytes[at]
  if (byte === undefined) throw new MalformedObject('a truncated object header')
  return byte
}
