import { test } from 'vitest'
import { expectSeedsToHold, numbered } from '../simulation/seeds.ts'
import { rounds } from './rounds.ts'

const SEEDS_A_ROUND = 500

test('islands agree and keep what they promised, whatever the seed', async () => {
  for (const seed of rounds('simulation'))
    await expectSeedsToHold('first-half', numbered(seed * SEEDS_A_ROUND, SEEDS_A_ROUND))
})
