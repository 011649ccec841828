import { it } from 'vitest'
import { expectSeedsToHold, numbered } from './seeds.ts'

// A file of its own, and as long as the first half, so that the two run beside each other.
it('islands agree and keep what they promised, seeds 1,001 to 2,000', { timeout: 600_000 }, async () => {
  await expectSeedsToHold('second-half', numbered(1_001, 1_000))
})
