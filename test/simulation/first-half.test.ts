import { it } from 'vitest'
import { expectSeedsToHold, numbered, oneSeed } from './seeds.ts'

it('islands agree and keep what they promised, seeds 1 to 300', { timeout: 240_000 }, async () => {
  await expectSeedsToHold(oneSeed === undefined ? numbered(1, 300) : [oneSeed])
})
