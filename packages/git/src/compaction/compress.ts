import { promisify } from 'node:util'
import { constants, deflate, deflateSync } from 'node:zlib'

const deflateAsync = promisify(deflate)
// Measured on Node 20: setting up a full window costs a small object more than compressing it. Codes of its own save a record
// some six bytes, and make reading it four times as slow (inflate-small.ts).
const SMALL_BYTES = 1024
const TINY_BYTES = 256
const small = { level: 6, windowBits: 12, memLevel: 5, chunkSize: SMALL_BYTES }
const tiny = { ...small, strategy: constants.Z_FIXED }
/** Compressing this takes about a millisecond; more is done beside the event loop. */
const LARGE_BYTES = 64 * 1024

/** A zlib stream of the bytes, as small as git makes it. */
export function compress(bytes: Buffer): Buffer | Promise<Buffer> {
  if (bytes.length <= TINY_BYTES) return deflateSync(bytes, tiny)
  if (bytes.length <= SMALL_BYTES) return deflateSync(bytes, small)
  return bytes.length <= LARGE_BYTES ? deflateSync(bytes, { level: 6 }) : deflateAsync(bytes, { level: 6 })
}
