/**
 * git's deltas (gitformat-pack, "Deltified representation"): the sizes of base and result as little-endian base-128
 * numbers, then instructions. First byte 1xxxxxxx: copy from the base; its bits tell which of four offset bytes and three
 * size bytes follow, size 0 meaning 65,536. 0xxxxxxx: so many bytes follow that are inserted; 0 is reserved.
 */
import { MalformedObject } from '../objects/malformed-object.ts'

/** @throws MalformedObject when the delta is damaged, is not for this base, or makes more than `largest` bytes. */
export function applyDelta(base: Buffer, delta: Buffer, largest: number): Buffer {
  const baseSize = readSize(delta, 0)
  if (baseSize.size !== base.length) throw new MalformedObject('a delta for another base')
  const resultSize = readSize(delta, baseSize.end)
  if (resultSize.size > largest) throw new MalformedObject('a delta whose result is too large')
  const result = Buffer.allocUnsafe(resultSize.size)
  let filled = 0
  for (let at = resultSize.end; at < delta.length;) {
    const instruction = delta[at++]!
    let source = delta
    let from = at
    let length = instruction
    if (instruction >= 0x80) {
      source = base
      from = length = 0
      for (let bit = 0; bit < 4; bit++) if (instruction & (1 << bit)) from += byteAt(delta, at++) * 2 ** (8 * bit)
      for (let bit = 0; bit < 3; bit++) if (instruction & (16 << bit)) length += byteAt(delta, at++) << (8 * bit)
      if (length === 0) length = 0x10000
    } else at += length
    if (length === 0 || from + length > source.length || filled + length > result.length)
      throw new MalformedObject('a delta that leaves its bounds')
    filled += source.copy(result, filled, from, from + length)
  }
  if (filled !== result.length) throw new MalformedObject('a delta that ends early')
  return result
}

function readSize(delta: Buffer, at: number): { size: number; end: number } {
  let size = 0
  for (let unit = 1; unit < 2 ** 49; unit *= 128) {
    const byte = byteAt(delta, at++)
    size += (byte & 0x7f) * unit
    if (byte < 0x80) return { size, end: at }
  }
  throw new MalformedObject('a delta with an endless size')
}

function byteAt(delta: Buffer, at: number): number {
  const byte = delta[at]
  if (byte === undefined) throw new MalformedObject('a truncated delta')
  return byte
}
