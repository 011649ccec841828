import { inflateSync } from 'node:zlib'
import { MalformedObject } from '../objects/malformed-object.ts'
import { inflateSmall } from './inflate-small.ts'
import { readStored } from './stored-deflate.ts'

/**
 * The most bytes that a zlib stream for so many bytes may have. Beyond what any encoder makes of incompressible content
 * (five bytes a block, blocks of 8 KiB and more); a stream padded with empty blocks is refused.
 */
export function longestStream(size: number): number {
  return size + Math.ceil(size / 1024) + 64
}

/**
 * Inflates a zlib stream that lies at `start` of `bytes`, followed by anything, into exactly `size` bytes; never makes
 * more than that. The content may be a view of `bytes`.
 *
 * @throws MalformedObject
 */
export function inflateExactly(bytes: Buffer, start: number, size: number): { content: Buffer; end: number } {
  const input = bytes.subarray(start, start + longestStream(size))
  const stored = readStored(input, size)
  if (stored !== undefined) return { content: stored.content, end: start + stored.end }
  const small = size <= SMALL_BYTES ? inflateSmall(input, size) : undefined
  if (small !== undefined) return { content: small.content, end: start + small.end }
  const inflated = inflate(input, size)
  if (inflated.content.length !== size) throw new MalformedObject('an object smaller than it declares')
  return { content: inflated.content, end: start + inflated.consumed }
}

const LARGEST_CHUNK = 256 * 1024
/** Larger objects have codes of their own, and are worth setting up zlib for. */
const SMALL_BYTES = 1024

function inflate(input: Buffer, size: number): { content: Buffer; consumed: number } {
  try {
    // With `info` the engine comes back too, and says how much of the input it took; the types do not know.
    const { buffer, engine } = inflateSync(input, {
      info: true,
      maxOutputLength: Math.max(size, 1),
      chunkSize: Math.min(Math.max(size + 1, 64), LARGEST_CHUNK),
    }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } }
    return { content: buffer, consumed: engine.bytesWritten }
  } catch (error) {
    const code = (error as { code?: string }).code
    if (code === 'ERR_BUFFER_TOO_LARGE') throw new MalformedObject('an object larger than it declares')
    throw new MalformedObject('an object whose zlib stream is damaged or truncated')
  }
}
