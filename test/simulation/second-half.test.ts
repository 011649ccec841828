import { it } from 'vitest'
import { expectSeedsToHold, numbered, oneSeed } from './seeds.ts'

// A file of its own, so that it runs beside the first half.
it('islands agree and keep what they promised, seeds 1,001 to 1,300', { timeout: 600_000 }, async () => {
  await expectSeedsToHold(oneSeed === undefined ? numbered(1_001, 300) : [])
})
