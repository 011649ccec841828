import { LRUCache } from 'lru-cache'
import { MAX_OBJECT_BYTES, type ObjectId } from '@atolldb/core'
import type { RandomAccessFile } from '../files/windowed-files.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { hashObject, type ObjectType } from '../objects/object-id.ts'
import { applyDelta } from './delta.ts'
import { inflateExactly, longestStream } from './inflate.ts'
import {
  CHECKSUM_BYTES,
  LONGEST_ENTRY_HEADER,
  PACK_HEADER_BYTES,
  parseBaseDistance,
  parseEntryHeader,
  parsePackHeader,
  type EntryKind,
} from './pack-format.ts'
import type { PackIndex } from './pack-index.ts'

/** Deltas on deltas, at most as many as git can be told to make. */
const MAX_DELTA_DEPTH = 4095
/** An id, or the longest base distance. */
const LONGEST_BASE = 20
/** Most objects fit in this with their header. */
const FIRST_READ_BYTES = 4096

/** An object out of a pack, its hash verified. The bytes are nobody else's unless they are a view of something larger. */
export interface PackedBytes {
  readonly type: ObjectType
  readonly bytes: Buffer
}

/** An entry of a pack as it stands there, inflated. */
export interface PackEntry {
  readonly kind: EntryKind
  readonly content: Buffer
  /** Of a delta. */
  readonly baseOffset: number
  /** Where the next one begins. */
  readonly end: number
}

/**
 * Objects that are, or stand upon, a base of a delta; of all packs together. By serial number and offset as text: both in one
 * number would be more than a double tells apart.
 */
const resolvedObjects = new LRUCache<string, PackedBytes>({
  maxSize: 4 * 1024 * 1024,
  sizeCalculation: ({ bytes }) => 200 + bytes.length,
})
let lastSerial = 0

/**
 * Reads objects of a pack file by id. Deltas are resolved within the pack, with bounded depth and size; every object is
 * hashed, so a flipped bit is an error and never a wrong value.
 */
export class PackFile {
  readonly file: RandomAccessFile
  readonly index: PackIndex
  #checked: Promise<void> | undefined
  #isChecked = false
  readonly #serial = ++lastSerial
  #readsUnderWay = 0
  #onIdle: (() => void) | undefined

  constructor(file: RandomAccessFile, index: PackIndex) {
    this.file = file
    this.index = index
  }

  /**
   * The object that the index has at this offset.
   *
   * @throws MalformedObject when it is damaged; or system errors
   */
  async read(id: ObjectId, offset: number): Promise<PackedBytes> {
    this.#readsUnderWay++
    try {
      await (this.#checked ??= this.#check())
      const object = await this.resolve(offset)
      if (hashObject(object.type, object.bytes) !== id) throw new MalformedObject(`object ${id} is damaged`)
      return object
    } finally {
      if (--this.#readsUnderWay === 0) this.#onIdle?.()
    }
  }

  /**
   * The same where all that it takes is in memory: a view to be used at once. Undefined where it is not, and where it is
   * damaged: then `read` says more.
   */
  atHand(id: ObjectId, offset: number): PackedBytes | undefined {
    if (!this.#isChecked) return undefined
    const object = this.#entryAtHand(offset) ?? resolvedObjects.get(this.#keyOf(offset))
    return object !== undefined && hashObject(object.type, object.bytes) === id ? object : undefined
  }

  /** Resolves when no read is under way: before the pack is removed. */
  async idle(): Promise<void> {
    if (this.#readsUnderWay > 0) await new Promise<void>(resolve => (this.#onIdle = resolve))
  }

  /** Closes its files until the next read. */
  async release(): Promise<void> {
    await this.file.release()
    await this.index.release()
  }

  /** Does the index belong to this pack? */
  async #check(): Promise<void> {
    try {
      const count = parsePackHeader(await this.file.read(0, PACK_HEADER_BYTES))
      const trailer = await this.file.read(this.file.sizeBytes - CHECKSUM_BYTES, CHECKSUM_BYTES)
      if (count !== this.index.objectCount || trailer.compare(this.index.packChecksum) !== 0)
        throw new MalformedObject('a pack that is not the one of its index')
      this.#isChecked = true
    } catch (error) {
      this.#checked = undefined
      throw error
    }
  }

  /**
   * The object whose entry begins at this offset, whatever its id, and whether or not the pack is the one of its index.
   * Neighbours share most of their chains, so what was resolved on the way is kept for the next.
   *
   * @throws MalformedObject; system errors
   */
  async resolve(offset: number): Promise<PackedBytes> {
    const deltas: { offset: number; content: Buffer }[] = []
    let at = offset
    let resolved = resolvedObjects.get(this.#keyOf(at))
    while (resolved === undefined) {
      const { kind, content, baseOffset } = await this.entryAt(at)
      if (at === offset && kind !== 'ofs-delta' && kind !== 'ref-delta') return { type: kind, bytes: content }
      if (kind === 'ofs-delta' || kind === 'ref-delta') {
        if (deltas.push({ offset: at, content }) > MAX_DELTA_DEPTH)
          throw new MalformedObject('a chain of too many deltas')
        at = baseOffset
        resolved = resolvedObjects.get(this.#keyOf(at))
      } else resolved = { type: kind, bytes: content }
    }
    if (deltas.length > 0) resolvedObjects.set(this.#keyOf(at), resolved)
    for (let delta = deltas.pop(); delta !== undefined; delta = deltas.pop()) {
      resolved = { type: resolved.type, bytes: applyDelta(resolved.bytes, delta.content, MAX_OBJECT_BYTES) }
      resolvedObjects.set(this.#keyOf(delta.offset), resolved)
    }
    // What is kept is nobody's to change.
    return { type: resolved.type, bytes: Buffer.from(resolved.bytes) }
  }

  #keyOf(offset: number): string {
    return `${this.#serial}:${offset}`
  }

  /** The entry at this offset. @throws MalformedObject; system errors */
  async entryAt(offset: number): Promise<PackEntry> {
    const end = this.file.sizeBytes - CHECKSUM_BYTES
    if (offset < PACK_HEADER_BYTES || offset >= end) throw new MalformedObject('an offset outside of the pack')
    let bytes = await this.#read(offset, FIRST_READ_BYTES)
    const { kind, size, end: headerEnd } = parseEntryHeader(bytes, 0)
    if (size > MAX_OBJECT_BYTES) throw new MalformedObject('an object larger than any valid one')
    const needed = LONGEST_ENTRY_HEADER + LONGEST_BASE + longestStream(size)
    if (needed > FIRST_READ_BYTES) bytes = await this.#read(offset, needed)
    let start = headerEnd
    let baseOffset = 0
    if (kind === 'ofs-delta') {
      const base = parseBaseDistance(bytes, headerEnd)
      // A base lies before its delta, so offsets only fall and chains end.
      if (base.distance === 0 || base.distance >= offset)
        throw new MalformedObject('a delta whose base is not before it')
      start = base.end
      baseOffset = offset - base.distance
    } else if (kind === 'ref-delta') {
      start = headerEnd + LONGEST_BASE
      baseOffset = await this.#baseOffset(bytes.toString('hex', headerEnd, start) as ObjectId)
    }
    const inflated = inflateExactly(bytes, start, size)
    return { kind, content: inflated.content, baseOffset, end: offset + inflated.end }
  }

  /** Of an object that is no delta. */
  #entryAtHand(offset: number): PackedBytes | undefined {
    const bytes = this.file.atHand(offset)
    // The trailer of the pack is no part of a stream.
    if (bytes === undefined || bytes.length < LONGEST_ENTRY_HEADER || offset < PACK_HEADER_BYTES) return undefined
    const { kind, size, end } = parseEntryHeader(bytes, 0)
    if (kind === 'ofs-delta' || kind === 'ref-delta' || size > MAX_OBJECT_BYTES) return undefined
    if (bytes.length < end + longestStream(size) + CHECKSUM_BYTES) return undefined
    return { type: kind, bytes: inflateExactly(bytes, end, size).content }
  }

  async #baseOffset(id: ObjectId): Promise<number> {
    const offset = await this.index.find(id)
    if (offset === undefined) throw new MalformedObject(`a delta whose base ${id} is not in the pack`)
    return offset
  }

  async #read(offset: number, length: number): Promise<Buffer> {
    return this.file.read(offset, Math.min(length, this.file.sizeBytes - CHECKSUM_BYTES - offset))
  }
}
