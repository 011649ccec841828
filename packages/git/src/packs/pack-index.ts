import { createHash, hash } from 'node:crypto'
import type { ObjectId } from '@atolldb/core'
import type { WindowedFile } from '../files/windowed-files.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { BloomFilter } from './bloom-filter.ts'
import { CHECKSUM_BYTES, FANOUT_BYTES, INDEX_HEADER_BYTES, indexMagic } from './pack-format.ts'
import { idsWithPrefix } from './prefix-search.ts'

/** Looks offsets up in the index of a pack (format: pack-format.ts). */
export interface PackIndex {
  readonly objectCount: number
  readonly packChecksum: Uint8Array
  /** The object's offset in the pack. @throws MalformedObject; or system errors */
  find(id: ObjectId): number | undefined | Promise<number | undefined>
  /** The same as far as it can be told from what is in memory. */
  findAtHand(id: ObjectId): number | undefined | 'unknown'
  /** The ids that begin with two hexadecimal digits or more, sorted. @throws MalformedObject; or system errors */
  idsWithPrefix(prefix: string): Promise<ObjectId[]>
  /** Closes its file, if it has one, until it is asked again. */
  release(): Promise<void>
}

export const INDEX_HEAD_BYTES = INDEX_HEADER_BYTES + FANOUT_BYTES
const LARGE_OFFSET = 0x8000_0000
const IDS_A_READ = 256
const VERIFIED_A_STEP = 16_384 * OBJECT_ID_BYTES

/** Where the tables are, told by header and fan-out. */
export class IndexLayout {
  readonly fanout = new Uint32Array(256)
  readonly objectCount: number
  readonly idsAt = INDEX_HEAD_BYTES
  readonly crcsAt: number
  readonly offsetsAt: number
  readonly largeAt: number
  readonly packChecksumAt: number

  constructor(head: Buffer, sizeBytes: number) {
    if (head.length < INDEX_HEAD_BYTES || indexMagic.compare(head, 0, INDEX_HEADER_BYTES) !== 0)
      throw new MalformedObject('not a pack index of version 2')
    let count = 0
    for (let slot = 0; slot < 256; slot++) {
      const next = head.readUInt32BE(INDEX_HEADER_BYTES + slot * 4)
      if (next < count) throw new MalformedObject('a pack index whose counts decrease')
      this.fanout[slot] = count = next
    }
    this.objectCount = count
    this.crcsAt = this.idsAt + count * OBJECT_ID_BYTES
    this.offsetsAt = this.crcsAt + count * 4
    this.largeAt = this.offsetsAt + count * 4
    this.packChecksumAt = sizeBytes - 2 * CHECKSUM_BYTES
    const largeBytes = this.packChecksumAt - this.largeAt
    if (largeBytes < 0 || largeBytes % 8 !== 0 || largeBytes / 8 > count)
      throw new MalformedObject('a pack index of the wrong size')
  }

  /** Places of the ids with this first byte. */
  range(firstByte: number): [from: number, to: number] {
    return [firstByte === 0 ? 0 : this.fanout[firstByte - 1]!, this.fanout[firstByte]!]
  }
}

/** Which of the sorted ids that begin at `idsAt`, from the place `from` up to `to`, it is. */
function placeIn(bytes: Buffer, idsAt: number, from: number, to: number, wanted: Buffer): number | undefined {
  // Most ids differ within their first four bytes, and numbers compare faster than buffers.
  const first = wanted.readUInt32BE(0)
  let low = from
  let high = to
  while (low < high) {
    const middle = (low + high) >>> 1
    const at = idsAt + middle * OBJECT_ID_BYTES
    const there = bytes.readUInt32BE(at)
    const order = first === there ? wanted.compare(bytes, at, at + OBJECT_ID_BYTES) : first - there
    if (order === 0) return middle
    if (order < 0) high = middle
    else low = middle + 1
  }
  return undefined
}

/** The same of sorted ids that are all there, the first of which has this place in the index. */
function placeAmong(ids: Buffer, first: number, wanted: Buffer): number | undefined {
  const place = placeIn(ids, 0, 0, ids.length / OBJECT_ID_BYTES, wanted)
  return place === undefined ? undefined : first + place
}

/**
 * Where an id most likely is among the places of those with its first byte: ids are hashes, so they lie as evenly as chance has
 * them, which is within four standard deviations of it but for one id in ten thousand.
 */
function likelyPlaces(wanted: Buffer, low: number, high: number): [from: number, to: number] {
  const count = high - low
  const middle = low + Math.floor((wanted.readUIntBE(1, 3) / 0x1_00_00_00) * count)
  const margin = Math.ceil(2 * Math.sqrt(count)) + 1
  return [Math.max(low, middle - margin), Math.min(high, middle + margin)]
}

/** Is the id, if it is anywhere, before (-1), among (0) or behind (1) these sorted ids? */
function sideOf(ids: Buffer, wanted: Buffer): -1 | 0 | 1 {
  if (ids.length === 0) return 0
  if (wanted.compare(ids, 0, OBJECT_ID_BYTES) < 0) return -1
  return wanted.compare(ids, ids.length - OBJECT_ID_BYTES) > 0 ? 1 : 0
}

function firstByteOf(prefix: string): number {
  return Number.parseInt(prefix.slice(0, 2), 16)
}

const wantedId = Buffer.alloc(OBJECT_ID_BYTES)
let lastWanted: ObjectId | undefined

/**
 * The id that is looked for in memory, in binary, until the next call: nothing there is asynchronous. The same id is looked for
 * in the index of one pack after another, and made binary once.
 */
function wantedInBinary(id: ObjectId): Buffer {
  if (id !== lastWanted) wantedId.write((lastWanted = id), 'hex')
  return wantedId
}

/** An index in memory, its checksum verified. */
export class MemoryPackIndex implements PackIndex {
  readonly objectCount: number
  readonly packChecksum: Uint8Array
  /** The file, as it is. */
  readonly bytes: Buffer
  readonly #layout: IndexLayout

  /** @throws MalformedObject */
  constructor(bytes: Buffer) {
    this.bytes = bytes
    this.#layout = new IndexLayout(bytes, bytes.length)
    const end = bytes.length - CHECKSUM_BYTES
    if (hash('sha1', bytes.subarray(0, end), 'buffer').compare(bytes, end) !== 0)
      throw new MalformedObject('a pack index whose checksum is wrong')
    this.objectCount = this.#layout.objectCount
    this.packChecksum = bytes.subarray(this.#layout.packChecksumAt, end)
  }

  find(id: ObjectId): number | undefined {
    const wanted = wantedInBinary(id)
    const [from, to] = this.#layout.range(wanted[0]!)
    const place = placeIn(this.bytes, this.#layout.idsAt, from, to, wanted)
    return place === undefined ? undefined : this.#offset(place)
  }

  findAtHand(id: ObjectId): number | undefined {
    return this.find(id)
  }

  idsWithPrefix(prefix: string): Promise<ObjectId[]> {
    const { idsAt } = this.#layout
    const read = (place: number, count: number): Buffer =>
      this.bytes.subarray(idsAt + place * OBJECT_ID_BYTES, idsAt + (place + count) * OBJECT_ID_BYTES)
    return idsWithPrefix(read, this.#layout.range(firstByteOf(prefix)), prefix)
  }

  async release(): Promise<void> {
    // All of it is in memory.
  }

  #offset(place: number): number {
    const offset = this.bytes.readUInt32BE(this.#layout.offsetsAt + place * 4)
    if (offset < LARGE_OFFSET) return offset
    const at = this.#layout.largeAt + (offset - LARGE_OFFSET) * 8
    if (at + 8 > this.#layout.packChecksumAt) throw new MalformedObject('a pack index with a lost offset')
    return Number(this.bytes.readBigUInt64BE(at))
  }
}

/**
 * An index too large for memory, read in windows. Its checksum is verified before it first answers that it does not have an
 * object, and a Bloom filter made on the way, so that later misses touch no disk; a wrong offset shows when the object is
 * read and hashed.
 */
export class PagedPackIndex implements PackIndex {
  readonly packChecksum: Uint8Array
  readonly #file: WindowedFile
  readonly #layout: IndexLayout
  #filter: BloomFilter | undefined
  #verified: Promise<void> | undefined

  private constructor(file: WindowedFile, layout: IndexLayout, packChecksum: Uint8Array) {
    this.#file = file
    this.#layout = layout
    this.packChecksum = packChecksum
  }

  /** @throws MalformedObject; or system errors */
  static async open(file: WindowedFile): Promise<PagedPackIndex> {
    const layout = new IndexLayout(await file.read(0, INDEX_HEAD_BYTES), file.sizeBytes)
    const checksum = Buffer.from(await file.read(layout.packChecksumAt, CHECKSUM_BYTES))
    return new PagedPackIndex(file, layout, checksum)
  }

  get objectCount(): number {
    return this.#layout.objectCount
  }

  async find(id: ObjectId): Promise<number | undefined> {
    const wanted = Buffer.from(id, 'hex')
    if (this.#filter?.mayHave(wanted) === false) return undefined
    const place = await this.#placeOf(wanted)
    if (place !== undefined) return this.#offset(place)
    await (this.#verified ??= this.#verify())
    return undefined
  }

  async #placeOf(wanted: Buffer): Promise<number | undefined> {
    let [low, high] = this.#layout.range(wanted[0]!)
    const [from, to] = likelyPlaces(wanted, low, high)
    const likely = await this.#ids(from, to - from)
    const side = sideOf(likely, wanted)
    if (side === 0 || to - from === high - low) return placeAmong(likely, from, wanted)
    if (side < 0) high = from
    else low = to
    while (high - low > IDS_A_READ) {
      const middle = (low + high) >>> 1
      if (wanted.compare(await this.#ids(middle, 1)) < 0) high = middle
      else low = middle
    }
    return placeAmong(await this.#ids(low, high - low), low, wanted)
  }

  findAtHand(id: ObjectId): number | undefined | 'unknown' {
    const wanted = wantedInBinary(id)
    if (this.#filter?.mayHave(wanted) === false) return undefined
    const [low, high] = this.#layout.range(wanted[0]!)
    const [from, to] = likelyPlaces(wanted, low, high)
    const length = (to - from) * OBJECT_ID_BYTES
    const window = this.#file.atHand(this.#layout.idsAt + from * OBJECT_ID_BYTES)
    if (window === undefined || window.length < length) return 'unknown'
    const ids = window.subarray(0, length)
    if (to - from < high - low && sideOf(ids, wanted) !== 0) return 'unknown'
    const place = placeAmong(ids, from, wanted)
    // Before the checksum is verified, nothing is known to be missing.
    if (place === undefined) return this.#filter === undefined ? 'unknown' : undefined
    const offset = this.#file.atHand(this.#layout.offsetsAt + place * 4)
    if (offset === undefined || offset.length < 4) return 'unknown'
    const at = offset.readUInt32BE()
    return at < LARGE_OFFSET ? at : 'unknown'
  }

  async idsWithPrefix(prefix: string): Promise<ObjectId[]> {
    await (this.#verified ??= this.#verify())
    const range = this.#layout.range(firstByteOf(prefix))
    return idsWithPrefix((place, count) => this.#ids(place, count), range, prefix)
  }

  async release(): Promise<void> {
    await this.#file.release()
  }

  async #ids(place: number, count: number): Promise<Buffer> {
    return this.#read(this.#layout.idsAt + place * OBJECT_ID_BYTES, count * OBJECT_ID_BYTES)
  }

  async #offset(place: number): Promise<number> {
    const offset = (await this.#read(this.#layout.offsetsAt + place * 4, 4)).readUInt32BE()
    if (offset < LARGE_OFFSET) return offset
    const at = this.#layout.largeAt + (offset - LARGE_OFFSET) * 8
    if (at + 8 > this.#layout.packChecksumAt) throw new MalformedObject('a pack index with a lost offset')
    return Number((await this.#read(at, 8)).readBigUInt64BE())
  }

  async #verify(): Promise<void> {
    try {
      await this.#verifyChecksum()
    } catch (error) {
      // A failed read is tried again.
      if (!(error instanceof MalformedObject)) this.#verified = undefined
      throw error
    }
  }

  async #verifyChecksum(): Promise<void> {
    const sha1 = createHash('sha1')
    const end = this.#file.sizeBytes - CHECKSUM_BYTES
    const filter = new BloomFilter(this.objectCount)
    const { idsAt, crcsAt } = this.#layout
    // The parts end where ids do.
    const add = async (from: number, to: number, use: (bytes: Buffer) => void): Promise<void> => {
      for (let at = from; at < to; at += VERIFIED_A_STEP) {
        const bytes = await this.#read(at, Math.min(VERIFIED_A_STEP, to - at))
        sha1.update(bytes)
        use(bytes)
      }
    }
    await add(0, idsAt, () => undefined)
    await add(idsAt, crcsAt, bytes => {
      for (let at = 0; at < bytes.length; at += OBJECT_ID_BYTES) filter.add(bytes, at)
    })
    await add(crcsAt, end, () => undefined)
    if (sha1.digest().compare(await this.#read(end, CHECKSUM_BYTES)) !== 0)
      throw new MalformedObject('a pack index whose checksum is wrong')
    this.#filter = filter
  }

  async #read(position: number, length: number): Promise<Buffer> {
    const bytes = await this.#file.read(position, length)
    if (bytes.length < length) throw new MalformedObject('a truncated pack index')
    return bytes
  }
}
