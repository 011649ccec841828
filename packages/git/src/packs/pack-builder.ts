import { createHash } from 'node:crypto'
import { crc32, deflateSync } from 'node:zlib'
import { assert, type ObjectId } from '@atolldb/core'
import { hashObject, type ObjectType } from '../objects/object-id.ts'
import { encodePackHeader, LONGEST_ENTRY_HEADER, PACK_HEADER_BYTES, writeEntryHeader } from './pack-format.ts'
import { inflateExactly } from './inflate.ts'
import { encodePackIndex } from './encode-pack-index.ts'
import { PackIndexBuilder } from './pack-index-builder.ts'
import { storedLength, writeStored } from './stored-deflate.ts'

export interface PackBuilderOptions {
  /** Deflate objects of at least this many bytes; by default none, since stored blocks are many times faster. */
  readonly deflateFromBytes?: number
}

/** A pack with its index, in memory. */
export interface BuiltPack {
  /** The hexadecimal checksum of the pack: git's files are `pack-<name>.pack` and `.idx`. */
  readonly name: string
  readonly objectCount: number
  readonly chunks: readonly Uint8Array[]
  readonly index: Uint8Array
}

interface Entry {
  readonly type: ObjectType
  readonly size: number
  readonly chunk: Buffer
  /** Where the zlib stream begins in the chunk. */
  readonly at: number
}

const CHUNK_BYTES = 1024 * 1024

/**
 * Makes a pack of objects as they come, each once, and can read them back. All of it stays in memory; nothing is written
 * anywhere.
 */
export class PackBuilder {
  readonly #deflateFromBytes: number
  readonly #entryById = new Map<ObjectId, Entry>()
  readonly #index = new PackIndexBuilder()
  // Objects lie whole in one chunk, which is never moved, so views of it stay good.
  readonly #full: Buffer[] = []
  #chunk = Buffer.allocUnsafe(16 * 1024)
  #used = PACK_HEADER_BYTES
  #fullBytes = 0
  #finished = false

  constructor(options: PackBuilderOptions = {}) {
    this.#deflateFromBytes = options.deflateFromBytes ?? Infinity
  }

  get objectCount(): number {
    return this.#entryById.size
  }

  /** Bytes of the pack so far. */
  get sizeBytes(): number {
    return this.#fullBytes + this.#used
  }

  has(id: ObjectId): boolean {
    return this.#entryById.has(id)
  }

  /** The type of an object that it has. */
  typeOf(id: ObjectId): ObjectType | undefined {
    return this.#entryById.get(id)?.type
  }

  /** The object's bytes: a view that must not be written to. */
  read(id: ObjectId): Uint8Array | undefined {
    const entry = this.#entryById.get(id)
    return entry && inflateExactly(entry.chunk, entry.at, entry.size).content
  }

  /** Copies the object; one that it has already costs its hash only, unless the caller knows that. */
  add(type: ObjectType, bytes: Uint8Array, id: ObjectId = hashObject(type, bytes)): ObjectId {
    assert(!this.#finished, 'a finished pack takes nothing more')
    if (this.#entryById.has(id)) return id
    const deflated = bytes.length >= this.#deflateFromBytes ? deflateSync(bytes) : undefined
    this.#reserve(LONGEST_ENTRY_HEADER + (deflated?.length ?? storedLength(bytes.length)))
    const start = this.#used
    const chunk = this.#chunk
    const at = writeEntryHeader(chunk, start, type, bytes.length)
    let end = at
    if (deflated === undefined) end = writeStored(chunk, at, bytes)
    else end += deflated.copy(chunk, at)
    this.#used = end
    this.#entryById.set(id, { type, size: bytes.length, chunk, at })
    this.#index.add(id, this.#fullBytes + start, crc32(chunk.subarray(start, end)))
    return id
  }

  /** Ends the pack. What was read stays readable. */
  finish(): BuiltPack {
    assert(!this.#finished, 'a pack is finished once')
    this.#finished = true
    const chunks: Uint8Array[] = [...this.#full, this.#chunk.subarray(0, this.#used)]
    chunks[0]!.set(encodePackHeader(this.objectCount))
    const sha1 = createHash('sha1')
    for (const chunk of chunks) sha1.update(chunk)
    const checksum = sha1.digest()
    chunks.push(checksum)
    const index = encodePackIndex(this.#index.columns, checksum)
    assert(index !== undefined, 'no object was added twice')
    return { name: checksum.toString('hex'), objectCount: this.objectCount, chunks, index }
  }

  #reserve(length: number): void {
    if (this.#used + length <= this.#chunk.length) return
    this.#full.push(this.#chunk.subarray(0, this.#used))
    this.#fullBytes += this.#used
    // The first is small, since most packs are; the last one's unused rest is all that is wasted.
    this.#chunk = Buffer.allocUnsafe(Math.max(length, Math.min(CHUNK_BYTES, this.#chunk.length * 4)))
    this.#used = 0
  }
}
