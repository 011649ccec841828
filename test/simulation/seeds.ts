import { simulate, type SimulationReport } from '@atolldb/testkit'
import { expect } from 'vitest'
import { shippedRules } from '../../packages/db/test/simulated-rules.ts'

/** `ATOLL_SEED=17 npx vitest run test/simulation/first-half.test.ts` plays that one seed again, and prints its course of events. */
const oneSeed = process.env['ATOLL_SEED']

/**
 * Simulates one seed after the other; the first that fails is told with what happened and how to play it again. With
 * `ATOLL_SEED` every file that asks for seeds plays that one alone, whichever they are.
 */
export async function expectSeedsToHold(file: string, seeds: Iterable<string>): Promise<void> {
  const totals = { seeds: 0, commits: 0, crashes: 0, merges: 0 }
  for (const seed of oneSeed === undefined ? seeds : [oneSeed]) {
    const report = await simulate(seed, shippedRules)
    if (report.failure !== undefined) throw failureOf(report, file)
    totals.seeds++
    totals.commits += report.commits
    totals.crashes += report.crashes
    totals.merges += report.merges
    if (oneSeed !== undefined) process.stdout.write(`${report.trace.join('\n')}\n`)
  }
  // A simulation in which nothing happens proves nothing.
  if (oneSeed === undefined) {
    expect(totals.commits).toBeGreaterThan(5 * totals.seeds)
    expect(totals.merges).toBeGreaterThan(5 * totals.seeds)
    expect(totals.crashes).toBeGreaterThan(totals.seeds / 2)
  }
}

function failureOf({ seed, failure, trace, nodes }: SimulationReport, file: string): Error {
  const again = `ATOLL_SEED=${seed} npx vitest run test/simulation/${file}.test.ts`
  return new Error(`seed ${seed}, ${nodes} nodes: ${failure!.message}\nagain: ${again}\n${trace.join('\n')}`, {
    cause: failure!.cause ?? failure,
  })
}

export function* numbered(from: number, count: number): Generator<string> {
  for (let i = 0; i < count; i++) yield String(from + i)
}
