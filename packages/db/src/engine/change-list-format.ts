/**
 * The change list of a commit, as the change log keeps it. Numbers are little-endian.
 *
 *     list     = u16 collections, collection…, u32 changes, change…
 *     collection = u8 kind (0 objects, 1 lists), u16 length, name in UTF-8
 *     change   = u16 collection (its place above), u8 flags, u16 length, id in UTF-8, content before, content after
 *     flags    = 1 there was content before, 2 that was bytes; 4 there is content after, 8 that is bytes
 *     content  = 20 bytes version; of a record of a List also u32 length, its canonical JSON
 */
import {
  type Change,
  type ChangeList,
  type CollectionName,
  type ObjectId,
  type RecordId,
  type RecordKey,
  recordKey,
  type RecordRef,
  type StoredContent,
} from '@atolldb/core'

const VERSION_BYTES = 20
const BEFORE = 1
const BEFORE_IS_BYTES = 2
const AFTER = 4
const AFTER_IS_BYTES = 8

/** Undefined: it would be longer than `maxBytes`. */
export function encodeChangeList(list: ChangeList, maxBytes: number): Buffer | undefined {
  const places = new Map<string, number>()
  const names: Buffer[] = []
  for (const { ref } of list.values()) {
    const name = `${ref.kind}/${ref.collection}`
    if (places.has(name)) continue
    places.set(name, places.size)
    names.push(encodeCollection(ref))
  }
  const size = list.size * 4 + names.reduce((sum, name) => sum + name.length, 6) + sizeOf(list)
  if (size > maxBytes || places.size > 0xffff) return undefined
  const bytes = Buffer.allocUnsafe(size)
  let at = bytes.writeUInt16LE(places.size, 0)
  for (const name of names) at += name.copy(bytes, at)
  at = bytes.writeUInt32LE(list.size, at)
  for (const { ref, before, after } of list.values()) {
    at = bytes.writeUInt16LE(places.get(`${ref.kind}/${ref.collection}`)!, at)
    at = bytes.writeUInt8(flagsOf(before, BEFORE, BEFORE_IS_BYTES) | flagsOf(after, AFTER, AFTER_IS_BYTES), at)
    const length = bytes.write(ref.id, at + 2, 'utf8')
    at = bytes.writeUInt16LE(length, at) + length
    at = writeContent(bytes, at, ref, before)
    at = writeContent(bytes, at, ref, after)
  }
  return bytes.subarray(0, at)
}

function encodeCollection({ kind, collection }: RecordRef): Buffer {
  const name = Buffer.from(collection)
  const head = Buffer.from([kind === 'lists' ? 1 : 0, name.length & 0xff, name.length >> 8])
  return Buffer.concat([head, name])
}

/** An upper bound, without what every change has. */
function sizeOf(list: ChangeList): number {
  let size = 0
  for (const { ref, before, after } of list.values())
    // A UTF-16 unit is at most 3 bytes of UTF-8.
    size += 1 + ref.id.length * 3 + contentSize(ref, before) + contentSize(ref, after)
  return size
}

function contentSize({ kind }: RecordRef, content: StoredContent | undefined): number {
  if (content === undefined) return 0
  return VERSION_BYTES + (kind === 'lists' ? 4 + content.bytes!.length : 0)
}

function flagsOf(content: StoredContent | undefined, isThere: number, isBytes: number): number {
  if (content === undefined) return 0
  return content.format === 'bytes' ? isThere | isBytes : isThere
}

function writeContent(bytes: Buffer, start: number, { kind }: RecordRef, content: StoredContent | undefined): number {
  if (content === undefined) return start
  const at = start + bytes.write(content.version, start, VERSION_BYTES, 'hex')
  if (kind === 'objects') return at
  const line = content.bytes!
  bytes.set(line, bytes.writeUInt32LE(line.length, at))
  return at + 4 + line.length
}

/** @throws RangeError when it is not a whole list */
export function decodeChangeList(bytes: Buffer): ChangeList {
  const collections: Pick<RecordRef, 'kind' | 'collection'>[] = []
  let at = 2
  for (let left = bytes.readUInt16LE(0); left > 0; left--) {
    const end = at + 3 + bytes.readUInt16LE(at + 1)
    const collection = bytes.toString('utf8', at + 3, end) as CollectionName
    collections.push({ kind: bytes.readUInt8(at) === 1 ? 'lists' : 'objects', collection })
    at = end
  }
  const list = new Map<RecordKey, Change>()
  const count = bytes.readUInt32LE(at)
  at += 4
  for (let i = 0; i < count; i++) {
    const named = collections[bytes.readUInt16LE(at)]
    if (named === undefined) throw new RangeError('a change of no collection')
    const flags = bytes.readUInt8(at + 2)
    const end = at + 5 + bytes.readUInt16LE(at + 3)
    const ref: RecordRef = { ...named, id: bytes.toString('utf8', at + 5, end) as RecordId }
    const before = (flags & BEFORE) === 0 ? undefined : readContent(bytes, end, ref, (flags & BEFORE_IS_BYTES) !== 0)
    const next = end + contentSize(ref, before)
    const after = (flags & AFTER) === 0 ? undefined : readContent(bytes, next, ref, (flags & AFTER_IS_BYTES) !== 0)
    list.set(recordKey(ref), { ref, before, after })
    at = next + contentSize(ref, after)
  }
  if (at !== bytes.length) throw new RangeError('more or less than the changes')
  return list
}

function readContent(bytes: Buffer, at: number, { kind }: RecordRef, isBytes: boolean): StoredContent {
  const version = bytes.toString('hex', at, at + VERSION_BYTES) as ObjectId
  if (kind === 'objects') return { format: isBytes ? 'bytes' : 'json', version }
  const start = at + VERSION_BYTES + 4
  return { format: 'json', version, bytes: bytes.subarray(start, start + bytes.readUInt32LE(start - 4)) }
}
