/**
 * Inflates zlib streams (RFC 1950) of one or more blocks that are stored or of the fixed Huffman codes (RFC 1951, 3.2.4 and
 * 3.2.6): what encoders make of small objects. Setting up zlib costs such an object many times what this does.
 */
import { adler32 } from './stored-deflate.ts'

const STREAM_HEADER_BYTES = 2
const ADLER_BYTES = 4
const DEFLATE = 8
const PRESET_DICTIONARY = 0x20
const END_OF_BLOCK = 256
const FIRST_LENGTH = 257

// RFC 1951, 3.2.5
const lengthBases = [3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258] // prettier-ignore
const lengthBits = [0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0]
const distanceBases = [1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577] // prettier-ignore
const distanceBits = [0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13] // prettier-ignore

const LONGEST_CODE = 9
/** By the next nine bits of the stream: the symbol, times 16, and the bits of its code. */
const symbolTable = fixedSymbols()

function fixedSymbols(): Uint16Array {
  const table = new Uint16Array(1 << LONGEST_CODE)
  const fill = (first: number, last: number, firstCode: number, bits: number): void => {
    for (let symbol = first; symbol <= last; symbol++) {
      const code = reversed(firstCode + symbol - first, bits)
      for (let entry = code; entry < table.length; entry += 1 << bits) table[entry] = symbol * 16 + bits
    }
  }
  fill(0, 143, 0x30, 8)
  fill(144, 255, 0x190, 9)
  fill(256, 279, 0, 7)
  fill(280, 287, 0xc0, 8)
  return table
}

/** Codes stand in the stream with their most significant bit first, everything else the other way round. */
function reversed(code: number, bits: number): number {
  let result = 0
  for (let bit = 0; bit < bits; bit++) result |= ((code >> bit) & 1) << (bits - 1 - bit)
  return result
}

/**
 * @param bytes begin with the stream, and may go on behind it
 * @returns the content, and where the stream ends; undefined when it has other blocks, is truncated or damaged, or does not
 * hold exactly `size` bytes: then zlib has the last word
 */
export function inflateSmall(bytes: Buffer, size: number): { content: Buffer; end: number } | undefined {
  if (!isZlib(bytes)) return undefined
  const content = Buffer.allocUnsafe(size)
  const reader = new BitReader(bytes, STREAM_HEADER_BYTES)
  let filled = 0
  for (let isLast = false; !isLast;) {
    isLast = reader.take(1) === 1
    const type = reader.take(2)
    if (type > 1) return undefined
    filled = type === 0 ? copyStored(reader, content, filled) : inflateFixed(reader, content, filled)
    if (filled < 0) return undefined
  }
  const end = reader.endOfByte()
  if (filled !== size || end + ADLER_BYTES > bytes.length) return undefined
  if (bytes.readUInt32BE(end) !== adler32(content)) return undefined
  return { content, end: end + ADLER_BYTES }
}

function isZlib(bytes: Buffer): boolean {
  if (bytes.length < STREAM_HEADER_BYTES) return false
  const [method, flags] = [bytes[0]!, bytes[1]!]
  return (method & 15) === DEFLATE && (flags & PRESET_DICTIONARY) === 0 && (method * 256 + flags) % 31 === 0
}

/** Reads bits from the least significant one on. Beyond the end there are zeros: `endOfByte` tells. */
class BitReader {
  readonly bytes: Buffer
  #at: number
  #held = 0
  #count = 0

  constructor(bytes: Buffer, at: number) {
    this.bytes = bytes
    this.#at = at
  }

  /** At least 15 bits from here on, not taken yet. */
  peek(): number {
    while (this.#count < 15) {
      this.#held |= (this.bytes[this.#at++] ?? 0) << this.#count
      this.#count += 8
    }
    return this.#held
  }

  skip(bits: number): void {
    this.#held >>>= bits
    this.#count -= bits
  }

  /** Up to 15 bits. */
  take(bits: number): number {
    const value = this.peek() & ((1 << bits) - 1)
    this.skip(bits)
    return value
  }

  /** Where the first byte lies that nothing was taken of; the rest of the one before is dropped. */
  endOfByte(): number {
    this.#at -= this.#count >> 3
    this.#held = this.#count = 0
    return this.#at
  }

  moveTo(at: number): void {
    this.#at = at
  }
}

/** How far the content is filled now; -1 when something is wrong. */
function copyStored(reader: BitReader, content: Buffer, filled: number): number {
  const at = reader.endOfByte()
  const { bytes } = reader
  if (at + 4 > bytes.length) return -1
  const length = bytes.readUInt16LE(at)
  const end = at + 4 + length
  if ((length ^ bytes.readUInt16LE(at + 2)) !== 0xffff || filled + length > content.length || end > bytes.length)
    return -1
  bytes.copy(content, filled, at + 4, end)
  reader.moveTo(end)
  return filled + length
}

function inflateFixed(reader: BitReader, content: Buffer, start: number): number {
  let filled = start
  for (;;) {
    const entry = symbolTable[reader.peek() & ((1 << LONGEST_CODE) - 1)]!
    reader.skip(entry & 15)
    const symbol = entry >> 4
    if (symbol < END_OF_BLOCK) {
      // Zeros beyond the end are a symbol, too, so this also bounds the loop.
      if (filled === content.length) return -1
      content[filled++] = symbol
      continue
    }
    if (symbol === END_OF_BLOCK) return filled
    filled = copyBack(reader, content, filled, symbol - FIRST_LENGTH)
    if (filled < 0) return -1
  }
}

function copyBack(reader: BitReader, content: Buffer, filled: number, lengthCode: number): number {
  const lengthBase = lengthBases[lengthCode]
  if (lengthBase === undefined) return -1
  const end = filled + lengthBase + reader.take(lengthBits[lengthCode]!)
  const distanceCode = reversed(reader.take(5), 5)
  const distanceBase = distanceBases[distanceCode]
  if (distanceBase === undefined) return -1
  const distance = distanceBase + reader.take(distanceBits[distanceCode]!)
  if (distance > filled || end > content.length) return -1
  // What is copied may overlap what it is copied from.
  for (let at = filled; at < end; at++) content[at] = content[at - distance]!
  return end
}
