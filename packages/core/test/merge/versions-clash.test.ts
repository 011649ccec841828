import fc from 'fast-check'
import { expect, it } from 'vitest'
import { addOutcome, outcomesClash } from '../../src/merge/assignments.ts'
import type { Outcomes } from '../../src/merge/assignments.ts'
import { versionsClash } from '../../src/merge/versions-clash.ts'
import type { Assigned } from '../../src/merge/versions-clash.ts'
import { WorkSlices } from '../../src/merge/work-slices.ts'

const VERSIONS = 4
const puts = fc.array(
  fc.record({
    heirs: fc.bigInt({ min: 1n, max: (1n << BigInt(VERSIONS)) - 1n }),
    assignments: fc.array(
      fc.record({
        path: fc.array(fc.constantFrom('a', 'b'), { maxLength: 2 }),
        value: fc.constantFrom(undefined, 1, { a: 1 }),
      }),
      { maxLength: 2 },
    ),
  }),
  { maxLength: 6 },
)

/** Every pair anew. */
function naiveClash(all: readonly Assigned[]): boolean {
  const saw = (heirs: bigint, version: number): boolean => ((heirs >> BigInt(version)) & 1n) === 1n
  const unshared = (v: number, w: number): Outcomes =>
    all
      .filter(({ heirs }) => saw(heirs, v) && !saw(heirs, w))
      .flatMap(({ assignments }) => assignments)
      .reduce((outcomes: Outcomes, assignment) => addOutcome(outcomes, assignment), undefined)
  const versions = Array.from({ length: VERSIONS }, (_, version) => version)
  return versions.some(v => versions.some(w => outcomesClash(unshared(v, w), unshared(w, v))))
}

it('is what every pair of versions by itself says', async () => {
  const seen = new Set<boolean>()
  await fc.assert(
    fc.asyncProperty(puts, async all => {
      const clash = await versionsClash(VERSIONS, all, new WorkSlices(undefined))
      expect(clash).toBe(naiveClash(all))
      seen.add(clash)
    }),
    { numRuns: 1000 },
  )
  expect(seen).toEqual(new Set([true, false]))
})

it('looks at the puts of each set of versions once, however many pairs there are, and lets others have their turn', async () => {
  const versions = 256
  let looks = 0
  let breaths = 0
  const all = Array.from({ length: versions }, (_, version): Assigned => ({
    heirs: 1n << BigInt(version),
    get assignments() {
      looks++
      return Array.from({ length: 8 }, (_unused, i) => ({ path: [`${version} ${i}`], value: 1 }))
    },
  }))
  const slices = new WorkSlices(async () => {
    breaths++
  })
  expect(await versionsClash(versions, all, slices)).toBe(false)
  expect(looks).toBe(2 * versions)
  expect(breaths).toBeGreaterThan(10)
})
