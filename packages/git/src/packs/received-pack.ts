import type { ObjectId } from '@atolldb/core'
import { parseCommit } from '../objects/commit.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { hashObject, type ObjectType } from '../objects/object-id.ts'
import { parseTree } from '../objects/tree.ts'
import { ByteSource } from './byte-source.ts'
import { inflateExactly, longestStream } from './inflate.ts'
import { KeptContents } from './kept-contents.ts'
import { LONGEST_ENTRY_HEADER, PACK_HEADER_BYTES, parseEntryHeader, parsePackHeader } from './pack-format.ts'
import { encodePackIndexInSlices } from './encode-pack-index.ts'
import { PackIndexBuilder } from './pack-index-builder.ts'
import type { PackLimits } from './pack-limits.ts'
import { TimeSlice } from './time-slice.ts'

export interface PackedObject {
  readonly id: ObjectId
  readonly type: ObjectType
  /** Of the object's entry in the pack, in bytes. */
  readonly offset: number
  /** Of the content. */
  readonly sizeBytes: number
}

/** What the check of a pack found out. */
export interface ReceivedPack {
  /** The hexadecimal checksum, computed by us. */
  readonly name: string
  readonly sizeBytes: number
  readonly index: Buffer
  readonly table: ReceivedObjects
  /** The pack itself where it is small: then there is no file. */
  readonly bytes: Buffer | undefined
  /** What is in memory of its objects. */
  readonly kept: KeptContents
}

/** The objects in the order of the pack; columns, so that a million are affordable. */
export class ReceivedObjects {
  readonly #entries: PackIndexBuilder
  readonly #types: Uint8Array
  readonly #sizes: Uint32Array

  constructor(entries: PackIndexBuilder, types: Uint8Array, sizes: Uint32Array) {
    this.#entries = entries
    this.#types = types
    this.#sizes = sizes
  }

  get count(): number {
    return this.#entries.count
  }

  *objects(only?: ObjectType): Generator<PackedObject, void, undefined> {
    const wanted = only && typeNumbers.indexOf(only)
    for (let number = 0; number < this.#entries.count; number++) {
      if (wanted !== undefined && this.#types[number] !== wanted) continue
      yield {
        id: this.#entries.idAt(number),
        type: typeNumbers[this.#types[number]!]!,
        offset: this.#entries.offsetAt(number),
        sizeBytes: this.#sizes[number]!,
      }
    }
  }
}

const typeNumbers: readonly ObjectType[] = ['blob', 'tree', 'commit']

/**
 * Reads exactly one pack from a stranger, a small one into memory, another into a file at this path, trusting nothing: counts
 * and sizes against the limits before anything is allocated for them, no deltas, every object inflated into no more than its
 * declared size, hashed, and trees and commits parsed as strictly as `git fsck --strict`. Gives way to the event loop.
 * Whether the objects that they name exist is not looked at.
 *
 * @throws MalformedObject at the first violation; STORAGE_FULL, STORAGE_FAILED; errors of the source as they are.
 */
export async function receivePackBytes(
  source: AsyncIterable<Uint8Array>,
  path: string,
  limits: PackLimits,
): Promise<ReceivedPack> {
  const bytes = new ByteSource(source, path, limits.packBytes)
  try {
    await bytes.fill(PACK_HEADER_BYTES)
    const count = parsePackHeader(bytes.window.bytes)
    if (count === 0) throw new MalformedObject('a pack of no objects')
    if (count > limits.objects) throw new MalformedObject(`a pack of ${count} objects`)
    bytes.takeTo(PACK_HEADER_BYTES)
    const { entries, table, kept } = await receiveObjects(bytes, count, limits)
    const checksum = await bytes.takeChecksum()
    const index = await encodePackIndexInSlices(entries.columns, checksum, new TimeSlice())
    if (index === undefined) throw new MalformedObject('a pack with an object twice')
    const inMemory = await bytes.finish()
    return { name: checksum.toString('hex'), sizeBytes: bytes.offset, index, table, bytes: inMemory, kept }
  } catch (error) {
    await bytes.abandon()
    throw error
  }
}

async function receiveObjects(
  bytes: ByteSource,
  count: number,
  limits: PackLimits,
): Promise<{ entries: PackIndexBuilder; table: ReceivedObjects; kept: KeptContents }> {
  const entries = new PackIndexBuilder()
  const types = new Uint8Array(count)
  const sizes = new Uint32Array(count)
  const kept = new KeptContents()
  const slice = new TimeSlice()
  let inflatedBytes = 0
  for (let number = 0; number < count; number++) {
    if (slice.spent()) await slice.giveWay()
    const { offset } = bytes
    await bytes.fill(LONGEST_ENTRY_HEADER)
    const { type, size, headerBytes } = receiveHeader(bytes, limits)
    inflatedBytes += size
    if (inflatedBytes > limits.inflatedBytes) throw new MalformedObject('a pack that inflates to more than allowed')
    await bytes.fill(headerBytes + longestStream(size))
    const { bytes: window, at } = bytes.window
    const { content, end } = inflateExactly(window, at + headerBytes, size)
    const id = hashObject(type, content)
    if (type === 'blob') kept.keepBlob(id, content)
    else if (type === 'tree') kept.keepTree(id, parseTree(content))
    else parseCommit(content)
    entries.add(id, offset, bytes.takeTo(end))
    types[number] = typeNumbers.indexOf(type)
    sizes[number] = size
  }
  return { entries, table: new ReceivedObjects(entries, types, sizes), kept }
}

function receiveHeader(
  source: ByteSource,
  limits: PackLimits,
): { type: ObjectType; size: number; headerBytes: number } {
  const { bytes, at } = source.window
  const { kind, size, end } = parseEntryHeader(bytes, at)
  if (kind === 'ofs-delta' || kind === 'ref-delta') throw new MalformedObject('a delta')
  const limit = kind === 'commit' ? limits.commitBytes : limits.objectBytes
  if (size > limit) throw new MalformedObject(`a ${kind} of ${size} bytes`)
  return { type: kind, size, headerBytes: end - at }
}
