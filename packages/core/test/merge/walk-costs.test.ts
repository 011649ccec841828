import { expect, it } from 'vitest'
import { CommitGraph } from '../../src/index.ts'
import type { CommitId, DataNode } from '../../src/index.ts'
import { CommonPast } from '../../src/merge/common-past.ts'
import { walkHistory } from '../../src/merge/record-history.ts'
import { Tangle } from '../../src/merge/tangle.ts'

/** Commits by what they saw, in the order of their stamps; counts how often one is asked for. */
class CountedGraph extends CommitGraph {
  asked = 0
  readonly #nodes = new Map<string, DataNode>()

  constructor() {
    super({ readCommit: () => Promise.reject(new Error('all commits are at hand')) })
  }

  add(name: string, seen: readonly string[]): DataNode {
    const id = name as CommitId
    const clock = { ms: this.#nodes.size, counter: 0 }
    const ids = seen as readonly CommitId[]
    const stamp = { clock, node: 'n', commit: id } as DataNode['stamp']
    const node: DataNode = { id, type: 'data', parents: ids, seen: ids, tree: '' as DataNode['tree'], clock, stamp }
    this.#nodes.set(name, node)
    return node
  }

  override async dataNode(id: CommitId): Promise<DataNode> {
    this.asked++
    return this.#nodes.get(id)!
  }
}

it.each([2_000, 4_000])('two histories of %d changes to one record are walked in as many steps', async length => {
  const graph = new CountedGraph()
  graph.add('root', [])
  let versions: DataNode[] = []
  for (let i = 0; i < length; i++)
    versions = ['a', 'b'].map(side => graph.add(`${side}${i}`, [i === 0 ? 'root' : `${side}${i - 1}`]))
  let changes = 0
  const history = await walkHistory(graph, versions, ({ id }) => ++changes > 0 && id !== 'root')
  expect(history).toHaveLength(2 * length)
  expect(history.map(({ heirs }) => heirs)).toEqual(Array.from({ length: 2 * length }, (_, i) => (i % 2 ? 2n : 1n)))
  expect(changes).toBe(2 * length)
  expect(graph.asked).toBe(2 * length)
})

it.each([2_000, 4_000])('masks are as wide as histories run side by side, however long these are (%d)', length => {
  const tangle = new Tangle()
  const masks = [0n, 0n, 0n]
  for (let i = 0; i < length; i++) {
    const { place, inUse } = tangle.meet(masks[i % 3]!)
    masks[i % 3]! |= place
    for (const [side, mask] of masks.entries()) masks[side] = mask & inUse & (side === i % 3 ? -1n : ~place)
    expect(inUse).toBeLessThan(1n << 6n)
  }
  expect(tangle.size).toBe(length)
  // What all have seen is not tied to them, whatever is tied to itself below.
  const all = masks.reduce((union, mask) => union | mask)
  const { place } = tangle.meet(all)
  tangle.meet(all | place)
  expect(tangle.size).toBe(length)
  // But what one of the first has not seen ties all that was met.
  tangle.meet(masks[0]!)
  expect(tangle.size).toBe(length + 3)
})

it.each([2_000, 4_000])('%d commits that saw as many common ones are looked at once each', async length => {
  const graph = new CountedGraph()
  graph.add('root', [])
  const stale = graph.add('stale', ['root'])
  const chain = [graph.add('common0', ['root'])]
  const theirs = [graph.add('theirs0', ['stale', 'common0'])]
  const half = graph.add('half', ['common0'])
  for (let i = 1; i < length; i++) {
    chain.push(graph.add(`common${i}`, [`common${i - 1}`]))
    theirs.push(graph.add(`theirs${i}`, [`theirs${i - 1}`, `common${i}`]))
  }
  const ours = graph.add('ours', ['stale', `common${length - 1}`])
  const sides = [[ours, half], theirs].map(commits => new Map(commits.map(commit => [commit.id, commit])))
  const past = new CommonPast(graph, [stale, chain.at(-1)!], sides)
  expect(await past.isSeenBy(ours)).toBe(true)
  expect(await past.isSeenBy(theirs.at(-1)!)).toBe(true)
  expect(await past.isSeenBy(theirs.at(-2)!)).toBe(false)
  expect(await past.isSeenBy(half)).toBe(false)
  expect(graph.asked).toBeLessThan(5 * length)
})
