import { expect, it } from 'vitest'
import { numbered } from './seeds.ts'
import { playWholeNodes, type WholeReport } from './whole-nodes.ts'

const SEEDS = 20
/** They mostly wait for timers. */
const AT_ONCE = 5

it(`whole nodes agree and keep what they promised, seeds 1 to ${SEEDS}`, { timeout: 300_000 }, async () => {
  const seeds = numbered(1, SEEDS)
  const reports: WholeReport[] = []
  const play = async (): Promise<void> => {
    for (const seed of seeds) reports.push(await playWholeNodes(seed))
  }
  await Promise.all(Array.from({ length: AT_ONCE }, play))
  const sum = (what: keyof WholeReport): number => reports.reduce((all, report) => all + report[what], 0)
  expect(sum('acknowledged')).toBeGreaterThan(10 * SEEDS)
  expect(sum('kills')).toBeGreaterThan(SEEDS / 2)
  expect(sum('told')).toBeGreaterThan(50 * SEEDS)
  expect(sum('contested')).toBeGreaterThan(SEEDS / 2)
})
