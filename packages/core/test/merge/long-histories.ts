import {
  MemoryObjectStore,
  SeededRandom,
  buildHistory,
  drawSteps,
  longHistoryRecord,
  sampleOracleRules,
  sampleRuleRunner,
} from '@atolldb/testkit'
import type { History, LongHistoryPlan } from '@atolldb/testkit'
import { expect } from 'vitest'
import { ChangeLists, CommitGraph, mainOf, mergeHead, mergeHeads } from '../../src/index.ts'
import type { CommitId, MergeContext, State } from '../../src/index.ts'
import { ExpectedTrees } from './arrivals.ts'

/** In how many places of an order of arrival the state is compared. */
const COMPARISONS = 20

/**
 * A drawn history arrives once for each of `spreads`: every commit so many places late or early at most. The state is compared
 * with the oracle's now and then, and at the end; and all arrivals end in one `main`.
 */
export async function compareLongHistory(
  seed: number,
  plan: LongHistoryPlan,
  spreads: readonly number[],
): Promise<void> {
  const random = new SeededRandom(`long history ${seed}`)
  const store = new MemoryObjectStore()
  const options = { recordAt: longHistoryRecord, rules: sampleOracleRules }
  const history = await buildHistory(store, drawSteps(random.fork('steps'), plan), options)
  const graph = new CommitGraph(store)
  const context = { store, graph, changes: new ChangeLists(graph, store), rules: sampleRuleRunner }
  const expected = new ExpectedTrees(store, history)
  const mains = new Set<CommitId>()
  for (const spread of spreads) {
    const arrivals = outOfOrder(history.commits, random.fork(`arrivals ${spread}`), spread)
    mains.add((await mainOf(context, await arrive(context, history, expected, arrivals))).id)
  }
  mains.add((await mainOf(context, await mergeHeads(context, history.oracle.heads(history.commits)))).id)
  expect(mains.size).toBe(1)
}

async function arrive(
  context: MergeContext,
  history: History,
  expected: ExpectedTrees,
  arrivals: readonly CommitId[],
): Promise<State> {
  const every = Math.ceil(arrivals.length / COMPARISONS)
  let state: State = { heads: [history.root], tree: (await context.graph.node(history.root)).tree }
  for (const [i, id] of arrivals.entries()) {
    const isCompared = i % every === every - 1 || i === arrivals.length - 1
    // To find out that a commit is known costs a walk: nodes ask that once, of all that came together.
    if (!isCompared && state.heads.some(head => history.oracle.isAncestor(id, head))) continue
    state = await mergeHead(context, state, id)
    if (isCompared) expect(state.tree).toBe(await expected.treeOf(state.heads))
  }
  expect(state.heads).toEqual(history.oracle.heads(history.commits))
  return state
}

function outOfOrder<Item>(items: readonly Item[], random: SeededRandom, spread: number): Item[] {
  return items
    .map((item, i) => ({ item, at: i + random.next() * spread }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
