import { constants, deflateSync, inflateSync } from 'node:zlib'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { inflateSmall } from '../src/packs/inflate-small.ts'
import { inflateExactly } from '../src/packs/inflate.ts'

/** Text that repeats itself, and bytes that do not. */
const contents = fc.oneof(
  fc.uint8Array({ maxLength: 1200 }).map(bytes => Buffer.from(bytes)),
  fc
    .array(fc.constantFrom('{"station":"', 'temperature', '":', '17.25', 'é', '0', '\n'), { maxLength: 150 })
    .map(parts => Buffer.from(parts.join(''))),
  fc.tuple(fc.string({ maxLength: 3 }), fc.nat(400)).map(([part, times]) => Buffer.from(part.repeat(times))),
)
const fixed = { strategy: constants.Z_FIXED, level: 9 }

describe('inflating small objects', () => {
  it('gives what zlib gives, from streams of fixed codes and of stored blocks', () => {
    const options = fc.constantFrom(
      fixed,
      { ...fixed, level: 1 },
      { level: 0 },
      { ...fixed, windowBits: 9, memLevel: 1 },
    )
    fc.assert(
      fc.property(contents, options, fc.uint8Array({ maxLength: 5 }), (content, how, behind) => {
        const stream = deflateSync(content, how)
        const found = inflateSmall(Buffer.concat([stream, behind]), content.length)
        expect(found?.end).toBe(stream.length)
        expect(found?.content.equals(content)).toBe(true)
      }),
    )
  })

  it('leaves codes of their own to zlib', () => {
    const content = Buffer.from(Array.from({ length: 1000 }, (_, i) => (Math.imul(i, 2_654_435_761) >>> 24) % 7))
    const stream = deflateSync(content, { level: 9 })
    expect(inflateSmall(stream, content.length)).toBeUndefined()
    expect(inflateExactly(stream, 0, content.length).content.equals(content)).toBe(true)
  })

  it('says nothing about a stream that is damaged, truncated, or of another size', () => {
    fc.assert(
      fc.property(contents, fc.nat(), fc.integer({ min: 1, max: 255 }), (content, place, flip) => {
        const stream = deflateSync(content, fixed)
        expect(inflateSmall(stream.subarray(0, place % stream.length), content.length)).toBeUndefined()
        expect(inflateSmall(stream, content.length + 1)).toBeUndefined()
        if (content.length > 0) expect(inflateSmall(stream, content.length - 1)).toBeUndefined()
        const damaged = Buffer.from(stream)
        damaged[place % stream.length]! ^= flip
        // What a flip leaves of the header may be another good one.
        const found = inflateSmall(damaged, content.length)
        if (found !== undefined) expect(found.content.equals(inflateSync(damaged))).toBe(true)
      }),
    )
  })
})
