import { it } from 'vitest'
import { expectSeedsToHold, numbered, oneSeed } from './seeds.ts'

it('islands agree and keep what they promised, seeds 1 to 1,000', { timeout: 600_000 }, async () => {
  await expectSeedsToHold(oneSeed === undefined ? numbered(1, 1_000) : [oneSeed])
})
