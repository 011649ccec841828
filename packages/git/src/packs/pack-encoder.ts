import { createHash } from 'node:crypto'
import { deflateSync } from 'node:zlib'
import { assert } from '@atolldb/core'
import type { ObjectType } from '../objects/object-id.ts'
import { encodePackHeader, LONGEST_ENTRY_HEADER, writeEntryHeader } from './pack-format.ts'
import { storedLength, writeStored } from './stored-deflate.ts'

export interface RawObject {
  readonly type: ObjectType
  readonly bytes: Uint8Array
}

export interface PackEncoderOptions {
  /** Deflate objects of at least this many bytes (fast level); by default none. */
  readonly deflateFromBytes?: number
  /** Bytes that are gathered before a chunk is handed on. */
  readonly chunkBytes?: number
}

/**
 * A pack without deltas of exactly `objectCount` different objects, in chunks, for sending. Holds one chunk and one object
 * at a time. Errors of the source pass through.
 */
export async function* encodePack(
  objects: AsyncIterable<RawObject> | Iterable<RawObject>,
  objectCount: number,
  options: PackEncoderOptions = {},
): AsyncGenerator<Uint8Array, void, undefined> {
  const { deflateFromBytes = Infinity, chunkBytes = 64 * 1024 } = options
  const sha1 = createHash('sha1')
  let gathered: Buffer[] = [encodePackHeader(objectCount)]
  let gatheredBytes = gathered[0]!.length
  let count = 0
  for await (const { type, bytes } of objects) {
    const entry = encodeEntry(type, bytes, bytes.length >= deflateFromBytes)
    gathered.push(entry)
    gatheredBytes += entry.length
    count++
    if (gatheredBytes < chunkBytes) continue
    const chunk = Buffer.concat(gathered, gatheredBytes)
    sha1.update(chunk)
    yield chunk
    gathered = []
    gatheredBytes = 0
  }
  assert(count === objectCount, 'as many objects come as were promised')
  const rest = Buffer.concat(gathered, gatheredBytes)
  sha1.update(rest)
  yield Buffer.concat([rest, sha1.digest()])
}

function encodeEntry(type: ObjectType, bytes: Uint8Array, deflate: boolean): Buffer {
  const deflated = deflate ? deflateSync(bytes, { level: 1 }) : undefined
  const entry = Buffer.allocUnsafe(LONGEST_ENTRY_HEADER + (deflated?.length ?? storedLength(bytes.length)))
  const at = writeEntryHeader(entry, 0, type, bytes.length)
  const end = deflated === undefined ? writeStored(entry, at, bytes) : at + deflated.copy(entry, at)
  return entry.subarray(0, end)
}
