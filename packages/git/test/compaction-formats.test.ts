import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { encodeDelta } from '../src/compaction/delta-encoder.ts'
import { BloomFilter } from '../src/packs/bloom-filter.ts'
import { applyDelta } from '../src/packs/delta.ts'
import { parseBaseDistance, writeBaseDistance } from '../src/packs/pack-format.ts'
import { sortedOrder } from '../src/packs/sorted-order.ts'

/** Pieces of few kinds, so that there is much to copy. */
const pieces = fc
  .array(fc.oneof(fc.constantFrom('{"id":"', 'sensor-0017', '","value":{"t":21.5}}\n', 'x'), fc.string()), {
    maxLength: 60,
  })
  .map(parts => Buffer.from(parts.join('')))
const bytes = fc.oneof(
  pieces,
  fc.uint8Array({ maxLength: 300 }).map(array => Buffer.from(array)),
)

describe('deltas', () => {
  it('make the target of the base, within the size allowed', () => {
    fc.assert(
      fc.property(bytes, bytes, fc.integer({ min: 10, max: 3000 }), (base, target, largest) => {
        const delta = encodeDelta(base, target, largest)
        if (delta === undefined) return
        expect(delta.length).toBeLessThanOrEqual(largest)
        expect(applyDelta(base, delta, 1 << 24)).toEqual(target)
      }),
      { numRuns: 1000 },
    )
  })

  it('of any target are found where there is room for all of it', () => {
    fc.assert(
      fc.property(bytes, bytes, (base, target) => {
        const delta = encodeDelta(base, target, target.length * 2 + 20)
        expect(delta && applyDelta(base, delta, 1 << 24)).toEqual(target)
      }),
    )
  })

  it('are small where an entry was changed, put in, taken out or moved', () => {
    const entry = (i: number): Buffer =>
      Buffer.concat([Buffer.from(`100644 sensor-${i}.json\0`), Buffer.alloc(20, `${i} of 64`)])
    const entries = Array.from({ length: 64 }, (_none, i) => entry(i))
    const base = Buffer.concat(entries)
    const targets = [
      entries.with(30, Buffer.concat([Buffer.from('100644 sensor-30.json\0'), randomBytes(20)])),
      entries.toSpliced(20, 1),
      entries.toSpliced(20, 0, entry(99)),
      entries.with(3, randomBytes(20)).with(60, randomBytes(20)),
      [...entries.slice(32), ...entries.slice(0, 32)],
    ]
    for (const target of targets) {
      const all = Buffer.concat(target)
      const delta = encodeDelta(base, all, all.length)
      expect(delta!.length).toBeLessThan(80)
      expect(applyDelta(base, delta!, all.length)).toEqual(all)
    }
  })

  it('copy more than one instruction can, at offsets beyond 16 MiB', () => {
    const base = randomBytes(17 * 1024 * 1024)
    const target = Buffer.concat([base.subarray(base.length - 200_000), Buffer.from('new'), base.subarray(0, 70_000)])
    const delta = encodeDelta(base, target, 1000)
    expect(delta!.length).toBeLessThan(120)
    expect(applyDelta(base, delta!, target.length).equals(target)).toBe(true)
  })
})

it('distances to a base are read as they were written', () => {
  const target = Buffer.alloc(10)
  const check = (distance: number): void => {
    const end = writeBaseDistance(target, 1, distance)
    expect(parseBaseDistance(target, 1)).toEqual({ distance, end })
  }
  for (const distance of [1, 127, 128, 16_511, 16_512, 2_113_663, 2_113_664, 2 ** 40]) check(distance)
  fc.assert(fc.property(fc.integer({ min: 1, max: 2 ** 45 }), check))
})

it('a Bloom filter never denies what it has, and seldom lets pass what it has not', () => {
  const ids = Array.from({ length: 20_000 }, () => randomBytes(20))
  const filter = new BloomFilter(10_000)
  for (const id of ids.slice(0, 10_000)) filter.add(Buffer.concat([Buffer.alloc(3), id]), 3)
  expect(ids.slice(0, 10_000).every(id => filter.mayHave(id))).toBe(true)
  expect(ids.slice(10_000).filter(id => filter.mayHave(id)).length).toBeLessThan(400)
})

it('sorting in steps sorts', () => {
  const values = fc.array(fc.oneof(fc.integer({ min: 0, max: 50 }), fc.integer({ min: 0, max: 2 ** 40 - 1 })), {
    maxLength: 6000,
  })
  fc.assert(
    fc.property(values, all => {
      const steps = sortedOrder(all.length, 2 ** 40, i => all[i]!)
      let step = steps.next()
      while (step.done !== true) step = steps.next()
      const expected = all.map((_value, i) => i).sort((a, b) => all[a]! - all[b]! || a - b)
      expect([...step.value]).toEqual(expected)
    }),
    { numRuns: 30 },
  )
})
