import { it } from 'vitest'
import { expectSeedsToHold, numbered } from './seeds.ts'

it('islands agree and keep what they promised, seeds 1 to 1,000', { timeout: 600_000 }, async () => {
  await expectSeedsToHold('first-half', numbered(1, 1_000))
})
