import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { chooseMerge, packBound, PACKS_A_MERGE, type PackWeight } from '../src/compaction/merge-choice.ts'

const pack = (objects: number, commits = 1): PackWeight => ({ objects, commits })

/** Adds packs one after the other, merging whenever it is asked for. */
function simulate(sizes: readonly number[]): { most: number; rewritten: number } {
  let packs: PackWeight[] = []
  let most = 0
  let rewritten = 0
  for (const [i, size] of sizes.entries()) {
    packs.push(pack(size))
    for (let chosen = chooseMerge(packs); chosen.length > 0; chosen = chooseMerge(packs)) {
      const sum = (key: keyof PackWeight): number => chosen.reduce((total, each) => total + each[key], 0)
      rewritten += sum('objects')
      packs = [...packs.filter(each => !chosen.includes(each)), pack(sum('objects'), sum('commits'))]
    }
    expect(packs.length).toBeLessThanOrEqual(packBound(i + 1))
    most = Math.max(most, packs.length)
  }
  return { most, rewritten }
}

describe('the choice of what to merge', () => {
  it('lets a few packs be', () => {
    expect(chooseMerge([])).toEqual([])
    expect(chooseMerge([pack(7)])).toEqual([])
    expect(chooseMerge(Array.from({ length: PACKS_A_MERGE - 1 }, () => pack(7)))).toEqual([])
  })

  it('merges as many as it waits for, and an elder that they outweigh, and no other', () => {
    const young = Array.from({ length: PACKS_A_MERGE }, () => pack(7))
    expect(chooseMerge([pack(1000), ...young])).toEqual(young)
    expect(chooseMerge([pack(1000), pack(56), ...young])).toEqual([...young, pack(56)])
    expect(chooseMerge([pack(1000), pack(57), ...young])).toEqual(young)
    // Together they outweigh the next.
    expect(chooseMerge([pack(113), pack(112), pack(56), ...young])).toEqual([...young, pack(56), pack(112), pack(113)])
  })

  it('merges the smallest where sizes double from pack to pack and there are too many', () => {
    const packs = Array.from({ length: 20 }, (_none, i) => pack(2 ** i))
    const chosen = chooseMerge(packs)
    expect(chosen).toEqual(packs.slice(0, chosen.length))
    expect(packs.length - chosen.length + 1).toBeLessThan(packBound(20))
  })

  it('keeps the bound at every moment, and rewrites n log n at most, whatever the sizes', () => {
    const sizes = fc.oneof(
      fc.array(fc.integer({ min: 1, max: 20 }), { maxLength: 600 }),
      fc.array(
        fc.integer({ min: 0, max: 20 }).map(exponent => 2 ** exponent),
        { maxLength: 300 },
      ),
      fc.array(fc.integer({ min: 1, max: 1_000_000 }), { maxLength: 300 }),
    )
    fc.assert(
      fc.property(sizes, packs => {
        const total = packs.reduce((sum, size) => sum + size, 0)
        const { rewritten } = simulate(packs)
        expect(rewritten).toBeLessThanOrEqual(total * (2 + Math.log2(packs.length + 1)))
      }),
      { numRuns: 150 },
    )
  })

  it('of 100,000 commits alike, keeps the bound and rewrites each some fourteen times', () => {
    const { most, rewritten } = simulate(Array.from({ length: 100_000 }, () => 7))
    expect(most).toBeLessThanOrEqual(packBound(100_000))
    expect(rewritten / 700_000).toBeLessThan(16)
  })
})
