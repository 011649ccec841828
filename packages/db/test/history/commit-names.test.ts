import { AtollError, CommitGraph, type CommitId, type GraphNode, type NodeId, type ObjectId } from '@atolldb/core'
import { expect, test } from 'vitest'
import { resolveCommit } from '../../src/history/commit-names.ts'

/** The beginning stays the same, and what follows makes an id of it. */
const idOf = (beginning: string): CommitId => beginning.padEnd(40, '0') as CommitId

/** A chain of commits, and others that stand alone; counts how often one is asked for. */
class CountedGraph extends CommitGraph {
  asked = 0
  readonly #nodes = new Map<CommitId, GraphNode>()

  constructor() {
    super({ readCommit: () => Promise.reject(new Error('all commits are at hand')) })
  }

  add(beginning: string, ms: number, parents: readonly string[] = []): CommitId {
    const [id, seen] = [idOf(beginning), parents.map(idOf)]
    const clock = { ms, counter: 0 }
    const stamp = { clock, node: 'barn' as NodeId, commit: id }
    this.#nodes.set(id, { id, type: 'data', parents: seen, seen, tree: '' as ObjectId, clock, stamp })
    return id
  }

  override async node(id: CommitId): Promise<GraphNode> {
    this.asked++
    const node = this.#nodes.get(id)
    if (node === undefined) throw new AtollError('MISSING', `no commit ${id}`, { what: 'commit', id })
    return node
  }

  resolve(name: string, main: string, ids: readonly string[]): Promise<GraphNode> {
    this.asked = 0
    const all = ids.map(idOf)
    return resolveCommit(
      {
        graph: this,
        directory: 'repo.git',
        main: () => idOf(main),
        nowMs: () => 0,
        readRef: async () => undefined,
        mergeOf: () => Promise.reject(new Error('no moment is asked for')),
        idsWithPrefix: async prefix => all.filter(id => id.startsWith(prefix)),
      },
      name,
    )
  }
}

/** A hundred commits `c000…` to `c099…`, one upon the other. */
function chain(): CountedGraph {
  const graph = new CountedGraph()
  for (let i = 0; i < 100; i++) {
    const name = (at: number): string => `c${String(at).padStart(3, '0')}`
    graph.add(name(i), i, i === 0 ? [] : [name(i - 1)])
  }
  return graph
}

test('the beginning of an id names its commit, wherever in history, without a walk', async () => {
  const graph = chain()
  // An object of another type begins alike.
  const node = await graph.resolve('C001', 'c099', ['c001', 'c0011'])
  expect(node.id).toBe(idOf('c001'))
  expect(graph.asked).toBe(2)
  await expect(graph.resolve('c0012', 'c099', [])).rejects.toMatchObject({ code: 'MISSING' })
  await expect(graph.resolve('c0011', 'c099', ['c0011'])).rejects.toMatchObject({ code: 'MISSING' })
})

test('of two commits that begin alike the one of history is meant, if only one is of it', async () => {
  const graph = chain()
  graph.add('c0901', 50)
  const node = await graph.resolve('c090', 'c099', ['c090', 'c0901'])
  expect(node.id).toBe(idOf('c090'))
  // Walked as far back as the earlier of them.
  expect(graph.asked).toBeLessThan(60)

  graph.add('c1001', 100, ['c099'])
  await expect(graph.resolve('c1001', 'c1001', ['c1001'])).resolves.toMatchObject({ id: idOf('c1001') })
  graph.add('c10011', 101, ['c1001'])
  const ambiguous = graph.resolve('c1001', 'c10011', ['c1001', 'c10011'])
  await expect(ambiguous).rejects.toMatchObject({ code: 'INVALID' })
  await expect(ambiguous).rejects.toThrow(`${idOf('c10011')} and ${idOf('c1001')}`)

  // Neither is of history.
  graph.add('d0001', 5)
  graph.add('d00011', 7)
  await expect(graph.resolve('d0001', 'c099', ['d0001', 'd00011'])).rejects.toMatchObject({ code: 'INVALID' })
})
