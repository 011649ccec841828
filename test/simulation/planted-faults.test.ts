import { simulate } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { plantedFaults } from './planted-faults.ts'
import { numbered } from './seeds.ts'

/** Drawn courses change with the code that draws them: a fault may be found a little later than it was. */
const PATIENCE_SEEDS = 60

it.each(plantedFaults)('finds that $name', { timeout: 120_000 }, async ({ rules, seed }) => {
  expect(await firstFailure(rules, seed)).toBeDefined()
})

async function firstFailure(rules: (typeof plantedFaults)[number]['rules'], from: number): Promise<string | undefined> {
  for (const seed of numbered(from, PATIENCE_SEEDS)) {
    const { failure } = await simulate(seed, rules)
    if (failure !== undefined) return `${seed}: ${failure.message}`
  }
  return undefined
}
