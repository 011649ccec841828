/**
 * Reads Snappy (google/snappy `format_description.txt`), in which LevelDB keeps the blocks of its tables.
 *
 *     stream  = length of the content (varint), elements
 *     element = tag (u8), whose two lowest bits say what follows: 0 a literal, 1 to 3 a copy of what came before
 */

/** A little-endian base-128 number of up to 53 bits. @throws RangeError */
export function readVarint(bytes: Buffer, at: number): { value: number; end: number } {
  let value = 0
  let factor = 1
  for (let i = at; i < at + 8; i++) {
    const byte = bytes.readUInt8(i)
    value += (byte & 0x7f) * factor
    if (byte < 0x80) return { value, end: i + 1 }
    factor *= 128
  }
  throw new RangeError('a number of too many bytes')
}

/** @throws RangeError where it is no such stream */
export function uncompressSnappy(bytes: Buffer): Buffer {
  const length = readVarint(bytes, 0)
  // A copy of two bytes makes up to 64.
  if (length.value > bytes.length * 32) throw new RangeError('a stream that cannot be so long')
  const content = Buffer.alloc(length.value)
  let filled = 0
  for (let at = length.end; at < bytes.length;) {
    const tag = bytes.readUInt8(at++)
    const kind = tag & 3
    if (kind === 0) {
      let size = tag >>> 2
      if (size >= 60) {
        const sizeBytes = size - 59
        size = bytes.readUIntLE(at, sizeBytes)
        at += sizeBytes
      }
      size++
      if (at + size > bytes.length || filled + size > content.length) throw new RangeError('a literal that is too long')
      bytes.copy(content, filled, at, at + size)
      at += size
      filled += size
      continue
    }
    const size = kind === 1 ? ((tag >>> 2) & 7) + 4 : (tag >>> 2) + 1
    const offset = kind === 1 ? ((tag >>> 5) << 8) | bytes.readUInt8(at) : bytes.readUIntLE(at, kind === 2 ? 2 : 4)
    at += kind === 1 ? 1 : kind === 2 ? 2 : 4
    if (offset === 0 || offset > filled || filled + size > content.length)
      throw new RangeError('a copy of what is not there')
    // It may overlap what it makes, so byte by byte.
    for (let i = 0; i < size; i++) content[filled + i] = content[filled + i - offset]!
    filled += size
  }
  if (filled !== content.length) throw new RangeError('a stream that ends early')
  return content
}
