import { createHash, hash } from 'node:crypto'
import type { ObjectId } from '@atolldb/core'

/** The objects that our repositories hold; there are no tags. */
export type ObjectType = 'blob' | 'tree' | 'commit'

/** An object's id in binary. */
export const OBJECT_ID_BYTES = 20

// One-shot hashing wants one buffer. Small objects are copied behind their header in this one; nothing here is asynchronous.
const scratch = Buffer.allocUnsafeSlow(16 * 1024)
const LONGEST_HEADER = 32

/** The id of a git object: SHA-1 of `<type> <size>\0<bytes>` (gitformat-loose). */
export function hashObject(type: ObjectType, bytes: Uint8Array): ObjectId {
  const header = `${type} ${bytes.length}\0`
  if (bytes.length > scratch.length - LONGEST_HEADER)
    return createHash('sha1').update(header, 'latin1').update(bytes).digest('hex') as ObjectId
  const headerLength = scratch.write(header, 'latin1')
  scratch.set(bytes, headerLength)
  return hash('sha1', scratch.subarray(0, headerLength + bytes.length), 'hex') as ObjectId
}

/** The same memory as a Buffer. */
export function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}
