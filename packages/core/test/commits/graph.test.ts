import { MemoryObjectStore, buildHistory } from '@atolldb/testkit'
import type { HistoryStep } from '@atolldb/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { CommitGraph, byStamp, composeMergeCommit, divergence, parseCommitId, reduceHeads } from '../../src/index.ts'
import type { CommitId, CommitObject } from '../../src/index.ts'

/** A step that changes something whenever it comes. */
function step(node: number, others: readonly number[], at: number, aheadMs = 1): HistoryStep {
  return { node, ownHead: true, others, aheadMs, edits: [{ record: 0, action: 'put', value: { at } }] }
}

const graphs = fc
  .array(
    fc.record({
      node: fc.nat({ max: 4 }),
      others: fc.array(fc.nat({ max: 12 }), { maxLength: 3 }),
      aheadMs: fc.nat({ max: 4 }),
    }),
    { minLength: 1, maxLength: 30 },
  )
  .map(steps => steps.map(({ node, others, aheadMs }, i) => step(node, others, i, aheadMs)))
const picks = fc.array(fc.nat(), { minLength: 1, maxLength: 4 })

async function build(steps: readonly HistoryStep[]) {
  const store = new MemoryObjectStore()
  const { oracle, commits, root } = await buildHistory(store, steps)
  const pick = (numbers: readonly number[]): CommitId[] => [
    ...new Set(numbers.map(number => commits[number % commits.length]!)),
  ]
  return { store, oracle, commits, root, pick, graph: new CommitGraph(store) }
}

describe('the commit graph, against the oracle', () => {
  it('knows ancestors', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, async steps => {
        const { graph, oracle, commits } = await build(steps)
        for (const a of commits)
          for (const b of commits) expect(await graph.isAncestor(a, b)).toBe(oracle.isAncestor(a, b))
      }),
      { numRuns: 30 },
    )
  })

  it('reduces commits to those that are nobody’s ancestor', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, picks, async (steps, numbers) => {
        const { graph, oracle, pick } = await build(steps)
        const ids = pick(numbers)
        expect(await reduceHeads(graph, ids)).toEqual({ heads: oracle.heads(ids), waiting: [] })
      }),
    )
  })

  it('tells what two histories have apart, and what covers what they share', async () => {
    await fc.assert(
      fc.asyncProperty(graphs, picks, picks, async (steps, leftNumbers, rightNumbers) => {
        const { graph, oracle, pick, commits } = await build(steps)
        const left = oracle.history(pick(leftNumbers))
        const right = oracle.history(pick(rightNumbers))
        const found = await divergence(graph, pick(leftNumbers), pick(rightNumbers))
        const nodes = await Promise.all(commits.map(id => graph.dataNode(id)))
        const latestFirst = byStamp(nodes).reverse()
        expect(found.left).toEqual(latestFirst.filter(({ id }) => left.has(id) && !right.has(id)))
        expect(found.right).toEqual(latestFirst.filter(({ id }) => right.has(id) && !left.has(id)))
        const covered = oracle.history(found.common.map(({ id }) => id))
        expect(covered).toEqual(new Set([...left].filter(id => right.has(id))))
      }),
    )
  })
})

describe('the cost of a walk', () => {
  const chain = Array.from({ length: 80 }, (_, i) => step(0, [], i))

  it('is what diverged, not the length of history', async () => {
    const { store, graph, commits } = await build([...chain, step(1, [0], 1000), step(0, [], 1001), step(1, [], 1002)])
    const [a, b] = commits.slice(-2)
    store.resetCounters()
    const { left, right } = await divergence(graph, [a!], [b!])
    expect([left.length, right.length]).toEqual([1, 2])
    expect(store.reads.commit).toBeLessThan(12)
  })

  it('of a question about ancestry ends where the ancestor would be', async () => {
    const { store, graph, commits } = await build([...chain, step(1, [1], 1000), step(2, [1], 1001)])
    store.resetCounters()
    expect(await graph.isAncestor(commits.at(-2)!, commits.at(-1)!)).toBe(false)
    expect(store.reads.commit).toBeLessThan(12)
  })
})

it('lets heads beyond 256 wait, in the order of their stamps', async () => {
  const steps = Array.from({ length: 258 }, (_, i): HistoryStep => ({
    ...step(i % 20, [], i, 300 - i),
    ownHead: false,
  }))
  const { graph, commits } = await build(steps)
  const { heads, waiting } = await reduceHeads(graph, commits)
  // Each further one is earlier: its clock is less ahead.
  expect(waiting).toEqual([commits[2], commits[1]])
  expect(heads).toEqual(commits.slice(3).sort())
})

it('sees the heads that a merge commit joins', async () => {
  const { graph, commits, store, root } = await build([step(0, [], 1), step(1, [1], 2), step(0, [0], 3)])
  const [, a, b, c] = commits
  const node = await graph.dataNode(c!)
  expect(node.seen).toEqual([a!, b!].sort())
  expect(await graph.headsOfMain(node.parents[0]!)).toEqual(node.seen)
  expect(await graph.headsOfMain(c!)).toEqual([c])
  expect(await graph.node(node.parents[0]!)).toMatchObject({ type: 'merge', clock: (await graph.dataNode(b!)).clock })
  expect(await graph.node(root)).toMatchObject({ type: 'root', parents: [], seen: [] })
  expect((await store.readCommit(node.parents[0]!)).parents).toEqual(node.seen)
})

it('refuses a merge of a merge, and what is no commit of ours, by name', async () => {
  const { graph, store, commits } = await build([step(0, [], 1), step(1, [1], 2), step(0, [0], 3)])
  const merge = (await graph.dataNode(commits[3]!)).parents[0]!
  const { tree, clock } = await graph.node(merge)
  const again = store.writeCommit(
    composeMergeCommit(
      [
        { id: merge, clock },
        { id: commits[3]!, clock },
      ],
      tree,
    ),
  )
  await expect(graph.node(again)).rejects.toMatchObject({ code: 'REFUSED', data: { commit: again } })
  const author = { name: 'x', email: 'x', seconds: 1 }
  const foreign: CommitObject = { tree, parents: [merge], author, committer: author, message: 'x\n' }
  const id = store.writeCommit(foreign)
  await expect(graph.node(id)).rejects.toMatchObject({ code: 'REFUSED', data: { commit: id } })
  await expect(graph.node(parseCommitId('0'.repeat(40)))).rejects.toMatchObject({ code: 'MISSING' })
})
