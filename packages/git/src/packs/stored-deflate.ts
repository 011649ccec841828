/**
 * zlib streams (RFC 1950) of stored deflate blocks (RFC 1951, 3.2.4): content as it is, in blocks of at most 65,535 bytes.
 *
 *     78 01                                      no preset dictionary, fastest
 *     per block: 00 or 01 (last)  uint16 length, little-endian  its complement  content
 *     uint32 Adler-32 of the content, big-endian
 *
 * Any zlib reads it; writing and reading it costs a copy and a checksum.
 */

const LARGEST_BLOCK = 65_535
const STREAM_HEADER_BYTES = 2
const BLOCK_HEADER_BYTES = 5
const ADLER_BYTES = 4

/** Bytes of the stream for so many bytes of content. */
export function storedLength(size: number): number {
  const blocks = size === 0 ? 1 : Math.ceil(size / LARGEST_BLOCK)
  return STREAM_HEADER_BYTES + blocks * BLOCK_HEADER_BYTES + size + ADLER_BYTES
}

/** Writes the stream; returns where it ends. */
export function writeStored(target: Buffer, start: number, content: Uint8Array): number {
  let at = start
  target[at++] = 0x78
  target[at++] = 0x01
  let from = 0
  do {
    const length = Math.min(LARGEST_BLOCK, content.length - from)
    target[at++] = from + length === content.length ? 1 : 0
    target[at++] = length & 0xff
    target[at++] = length >> 8
    target[at++] = ~length & 0xff
    target[at++] = (~length >> 8) & 0xff
    target.set(length === content.length ? content : content.subarray(from, from + length), at)
    at += length
    from += length
  } while (from < content.length)
  return target.writeUInt32BE(adler32(content), at)
}

/**
 * Reads such a stream at the start of `bytes`, as anybody may have cut it into blocks. A single block's content comes back as a view of `bytes`.
 *
 * @returns undefined when the stream has other blocks, is truncated or damaged, or does not hold exactly `size` bytes: then
 * zlib has the last word.
 */
export function readStored(bytes: Buffer, size: number): { content: Buffer; end: number } | undefined {
  if (bytes[0] !== 0x78 || bytes[1] !== 0x01) return undefined
  let at = STREAM_HEADER_BYTES
  let content: Buffer | undefined
  let filled = 0
  for (let last = false; !last;) {
    if (at + BLOCK_HEADER_BYTES > bytes.length) return undefined
    const flags = bytes[at]!
    if (flags > 1) return undefined
    last = flags === 1
    const length = bytes[at + 1]! | (bytes[at + 2]! << 8)
    const complement = bytes[at + 3]! | (bytes[at + 4]! << 8)
    at += BLOCK_HEADER_BYTES
    if ((length ^ complement) !== 0xffff || filled + length > size || at + length > bytes.length) return undefined
    if (last && content === undefined) content = bytes.subarray(at, at + length)
    else bytes.copy((content ??= Buffer.allocUnsafe(size)), filled, at, at + length)
    filled += length
    at += length
  }
  if (content === undefined || filled !== size || at + ADLER_BYTES > bytes.length) return undefined
  if (bytes.readUInt32BE(at) !== adler32(content)) return undefined
  return { content, end: at + ADLER_BYTES }
}

/** Does a stream of stored blocks begin here, to judge by its first bytes? */
export function isStored(bytes: Buffer, at: number): boolean {
  return bytes[at] === 0x78 && bytes[at + 1] === 0x01 && bytes[at + STREAM_HEADER_BYTES]! <= 1
}

const ADLER_MODULUS = 65_521
// The most additions before the sums could leave 32 bits (zlib's NMAX).
const ADLER_RUN = 5552

/** RFC 1950, section 8.2. */
export function adler32(bytes: Uint8Array): number {
  let low = 1
  let high = 0
  for (let at = 0; at < bytes.length;) {
    const end = Math.min(at + ADLER_RUN, bytes.length)
    for (; at < end; at++) {
      low += bytes[at]!
      high += low
    }
    low %= ADLER_MODULUS
    high %= ADLER_MODULUS
  }
  return high * 65_536 + low
}
