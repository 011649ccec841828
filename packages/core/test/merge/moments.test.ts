import {
  MemoryObjectStore,
  SeededRandom,
  buildHistory,
  drawSteps,
  longHistoryRecord,
  sampleOracleRules,
  sampleRuleRunner,
} from '@atolldb/testkit'
import type { HistoryStep } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { ChangeLists, CommitGraph, headsAt, mergeHeads } from '../../src/index.ts'
import { ExpectedTrees } from './arrivals.ts'

/* The state of a moment: that of all commits whose clock is not later, whoever made them. */

it.each([1, 2, 3])('the heads of a moment are those of all that was written by then (seed %i)', async seed => {
  const random = new SeededRandom(`moments ${seed}`)
  const store = new MemoryObjectStore()
  const steps = drawSteps(random.fork('steps'), { commits: 120, nodes: 4, records: 12 })
  const history = await buildHistory(store, steps, { recordAt: longHistoryRecord, rules: sampleOracleRules })
  const { oracle, commits, root } = history
  const graph = new CommitGraph(store)
  const context = { store, graph, changes: new ChangeLists(graph, store), rules: sampleRuleRunner }
  const expected = new ExpectedTrees(store, history)
  const present = oracle.heads(commits)

  const moments = new Set(commits.map(id => oracle.commit(id).stamp.clock.ms))
  let joined = 0
  for (const ms of moments) {
    const until = commits.filter(id => oracle.commit(id).stamp.clock.ms <= ms)
    const heads = await headsAt(graph, present, ms)
    expect(heads).toEqual(oracle.heads(until))
    if (heads.length === 1) continue
    joined++
    if (joined % 5 === 0) expect((await mergeHeads(context, heads)).tree).toBe(await expected.treeOf(heads))
  }
  expect(joined).toBeGreaterThan(10)

  const { ms } = oracle.commit(root).stamp.clock
  expect(await headsAt(graph, present, ms)).toEqual([root])
  expect(await headsAt(graph, present, ms - 1)).toEqual([])
})

it('reads what is later than the moment, and little more', async () => {
  const store = new MemoryObjectStore()
  // Each has seen all but the last, so that two lines run side by side.
  const steps = Array.from({ length: 400 }, (_, i): HistoryStep => ({
    node: i % 2,
    ownHead: true,
    others: [1],
    aheadMs: 1,
    edits: [{ record: i % 2, action: 'put', value: i }],
  }))
  const { oracle, commits } = await buildHistory(store, steps)
  const { ms } = oracle.commit(commits.at(-20)!).stamp.clock
  store.resetCounters()
  const heads = await headsAt(new CommitGraph(store), oracle.heads(commits), ms)
  expect(heads).toContain(commits.at(-20))
  expect(store.reads.commit).toBeLessThan(80)
})
