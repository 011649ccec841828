/**
 * Encodes git's deltas; their format is specified in packs/delta.ts. Successive versions of a tree or list leaf differ by an
 * entry, so what they have in common at both ends is copied without looking further. Between, blocks of the target are
 * looked up among the blocks of the base by a rolling hash, as git's diff-delta does.
 */

const LARGEST_COPY = 0x10000
const LARGEST_INSERT = 0x7f
const LONGEST_CHAIN = 16
const MULTIPLIER = 0x01000193

/** Where the blocks of a base are. Made once for a base that many targets are compared with. */
export class BlockIndex {
  readonly base: Buffer
  readonly blockBytes: number
  readonly #heads: Int32Array
  readonly #nexts: Int32Array
  readonly #mask: number
  /** MULTIPLIER to the power of the block's length: what the byte that leaves a rolling hash was multiplied by. */
  readonly leaving: number

  constructor(base: Buffer) {
    this.base = base
    this.blockBytes = base.length < 1024 ? 8 : 16
    let leaving = 1
    for (let i = 0; i < this.blockBytes; i++) leaving = Math.imul(leaving, MULTIPLIER)
    this.leaving = leaving
    const blocks = Math.floor(base.length / this.blockBytes)
    const slots = 2 ** Math.ceil(Math.log2(Math.max(2, blocks)))
    this.#mask = slots - 1
    this.#heads = new Int32Array(slots).fill(-1)
    this.#nexts = new Int32Array(blocks)
    // Backwards, so that the first of equal blocks is found first.
    for (let block = blocks - 1; block >= 0; block--) {
      const slot = this.#slot(this.hash(base, block * this.blockBytes))
      this.#nexts[block] = this.#heads[slot]!
      this.#heads[slot] = block
    }
  }

  /** Of one block. */
  hash(bytes: Buffer, at: number): number {
    let hash = 0
    for (let i = at; i < at + this.blockBytes; i++) hash = (Math.imul(hash, MULTIPLIER) + bytes[i]!) | 0
    return hash
  }

  /** The hash of the block that begins one byte further. */
  roll(hash: number, out: number, into: number): number {
    return (Math.imul(hash, MULTIPLIER) + into - Math.imul(out, this.leaving)) | 0
  }

  /** The longest match of a block with this hash at `at`; where it lies in the base, and how far it goes. */
  find(hash: number, target: Buffer, at: number, end: number): { from: number; length: number } | undefined {
    let from = -1
    let longest = this.blockBytes - 1
    let block = this.#heads[this.#slot(hash)]!
    for (let tries = 0; block >= 0 && tries < LONGEST_CHAIN; tries++, block = this.#nexts[block]!) {
      const start = block * this.blockBytes
      const length = commonLength(this.base, start, this.base.length, target, at, end)
      if (length > longest) [from, longest] = [start, length]
    }
    return from < 0 ? undefined : { from, length: longest }
  }

  #slot(hash: number): number {
    return (hash ^ (hash >>> 15)) & this.#mask
  }
}

function commonLength(a: Buffer, aStart: number, aEnd: number, b: Buffer, bStart: number, bEnd: number): number {
  const limit = Math.min(aEnd - aStart, bEnd - bStart)
  let length = 0
  while (length < limit && a[aStart + length] === b[bStart + length]) length++
  return length
}

/**
 * A delta that makes the target of the base; undefined when it would have more than `largest` bytes.
 *
 * @param index gives the base's blocks; asked only where they are needed
 */
export function encodeDelta(
  base: Buffer,
  target: Buffer,
  largest: number,
  index: () => BlockIndex = () => new BlockIndex(base),
): Buffer | undefined {
  const prefix = commonLength(base, 0, base.length, target, 0, target.length)
  const shorter = Math.min(base.length, target.length) - prefix
  let suffix = 0
  while (suffix < shorter && base[base.length - 1 - suffix] === target[target.length - 1 - suffix]) suffix++
  const delta = new DeltaWriter(target, Math.min(largest, target.length + 32))
  delta.size(base.length)
  delta.size(target.length)
  delta.copy(0, 0, prefix)
  const end = target.length - suffix
  if (end - prefix >= 16) encodeMiddle(delta, index(), target, prefix, end)
  delta.copy(base.length - suffix, end, suffix)
  return delta.finish()
}

function encodeMiddle(delta: DeltaWriter, index: BlockIndex, target: Buffer, start: number, end: number): void {
  const { base, blockBytes } = index
  let at = start
  let hashed = -1
  let hash = 0
  while (at + blockBytes <= end && !delta.isTooLong(at)) {
    hash = hashed === at ? hash : index.hash(target, at)
    const match = index.find(hash, target, at, end)
    if (match === undefined) {
      if (at + blockBytes < end) {
        hash = index.roll(hash, target[at]!, target[at + blockBytes]!)
        hashed = at + 1
      }
      at++
      continue
    }
    // What lies before the block may match too.
    let back = 0
    while (at - back > delta.covered && match.from - back > 0 && base[match.from - back - 1] === target[at - back - 1])
      back++
    delta.copy(match.from - back, at - back, match.length + back)
    at += match.length
  }
}

/** Copies shorter than this cost as much as the bytes themselves. */
const SHORTEST_COPY = 5

class DeltaWriter {
  readonly #target: Buffer
  readonly #bytes: Buffer
  readonly #largest: number
  #length = 0
  /** Bytes of the target that instructions make already. */
  covered = 0

  constructor(target: Buffer, largest: number) {
    this.#target = target
    this.#largest = largest
    // An instruction may be written past the end before it is noticed.
    this.#bytes = Buffer.allocUnsafe(largest + LARGEST_INSERT + 8)
  }

  size(size: number): void {
    for (; size >= 0x80; size = Math.floor(size / 128)) this.#bytes[this.#length++] = (size & 0x7f) | 0x80
    this.#bytes[this.#length++] = size
  }

  /** Would it be too long if all up to here were inserted? */
  isTooLong(at: number): boolean {
    return this.#length + at - this.covered > this.#largest
  }

  /** What lies before `at` in the target and has no instruction is inserted, then `length` bytes copied from the base. */
  copy(from: number, at: number, length: number): void {
    if (length < SHORTEST_COPY) return
    this.#insertTo(at)
    for (let left = length; left > 0 && this.#length <= this.#largest;) {
      const part = Math.min(left, LARGEST_COPY)
      this.#copy(from + length - left, part)
      left -= part
    }
    this.covered = at + length
  }

  finish(): Buffer | undefined {
    this.#insertTo(this.#target.length)
    return this.#length > this.#largest ? undefined : this.#bytes.subarray(0, this.#length)
  }

  #copy(from: number, length: number): void {
    const instructionAt = this.#length++
    let instruction = 0x80
    for (let byte = 0, rest = from; byte < 4; byte++, rest >>>= 8)
      if ((rest & 0xff) !== 0) {
        instruction |= 1 << byte
        this.#bytes[this.#length++] = rest & 0xff
      }
    // 65,536 is written as nothing.
    for (let byte = 0, rest = length & 0xffff; byte < 2; byte++, rest >>>= 8)
      if ((rest & 0xff) !== 0) {
        instruction |= 16 << byte
        this.#bytes[this.#length++] = rest & 0xff
      }
    this.#bytes[instructionAt] = instruction
  }

  #insertTo(end: number): void {
    while (this.covered < end && this.#length <= this.#largest) {
      const length = Math.min(end - this.covered, LARGEST_INSERT)
      this.#bytes[this.#length++] = length
      this.#target.copy(this.#bytes, this.#length, this.covered, this.covered + length)
      this.#length += length
      this.covered += length
    }
  }
}
