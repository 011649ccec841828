import { MemoryNetwork } from '@atolldb/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  eventually,
  fsck,
  openCluster,
  openNode,
  records,
  settled,
  type TestNode,
} from '../packages/db/test/replication/nodes.ts'
import { definedStateOf } from '../packages/db/test/replication/oracle-state.ts'

/** Whatever the order and the wiring, all nodes come to the state that the definition gives. */

type Move =
  | {
      readonly move: 'patch'
      readonly node: number
      readonly id: number
      readonly field: string
      readonly value: number
    }
  | { readonly move: 'delete'; readonly node: number; readonly id: number }
  | { readonly move: 'insert'; readonly node: number; readonly value: number }
  | { readonly move: 'remove'; readonly node: number; readonly line: number }
  | { readonly move: 'offline' | 'online' | 'flush'; readonly node: number }

const nodeNumbers = fc.nat({ max: 2 })
const moves: fc.Arbitrary<Move> = fc.oneof(
  fc.record({
    move: fc.constant('patch' as const),
    node: nodeNumbers,
    id: fc.nat({ max: 3 }),
    field: fc.constantFrom('crop', 'area'),
    value: fc.nat({ max: 9 }),
  }),
  fc.record({ move: fc.constant('delete' as const), node: nodeNumbers, id: fc.nat({ max: 3 }) }),
  fc.record({ move: fc.constant('insert' as const), node: nodeNumbers, value: fc.nat() }),
  fc.record({ move: fc.constant('remove' as const), node: nodeNumbers, line: fc.nat() }),
  fc.record({ move: fc.constantFrom('offline' as const, 'online' as const, 'flush' as const), node: nodeNumbers }),
)

async function perform(nodes: readonly TestNode[], lines: string[], move: Move): Promise<void> {
  const { db } = nodes[move.node]!
  const farms = db.object<Record<string, number>>('farms')
  const readings = db.list<number>('readings')
  switch (move.move) {
    case 'patch': {
      const id = `farm-${move.id}`
      await farms.put(id, { ...(await farms.get(id)), [move.field]: move.value })
      break
    }
    case 'delete':
      if ((await farms.get(`farm-${move.id}`)) !== undefined) await farms.delete(`farm-${move.id}`)
      break
    case 'insert':
      lines.push(await readings.insert(move.value))
      break
    case 'remove': {
      const line = lines[move.line % Math.max(1, lines.length)]
      if (line !== undefined && (await readings.get(line)) !== undefined) await readings.delete(line)
      break
    }
    case 'offline':
      await db.offline()
      break
    case 'online':
      await db.online()
      break
    case 'flush':
      await db.flush()
      break
  }
}

async function expectDefinedState(nodes: readonly TestNode[]): Promise<void> {
  const all = await records(nodes[0]!.db)
  for (const node of nodes) {
    expect(await records(node.db)).toEqual(all)
    fsck(node)
  }
  const { defined, actual } = await definedStateOf(nodes[0]!)
  expect(actual).toBe(defined)
}

describe('three nodes', () => {
  it('in any order of work, and wired in any way', async () => {
    const runs = fc.record({
      moves: fc.array(moves, { minLength: 20, maxLength: 60 }),
      isChain: fc.boolean(),
      order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
    })
    await fc.assert(
      fc.asyncProperty(runs, async ({ moves: list, isChain, order }) => {
        const network = new MemoryNetwork()
        const nodes = await openCluster(network, 3)
        // The one that all joined by is at one end of the chain.
        if (isChain) network.cut(nodes[0]!.self, nodes[2]!.self)
        const lines: string[] = []
        for (const move of list) await perform(nodes, lines, move)
        for (const index of order) await nodes[index]!.db.online()
        await settled(...nodes)
        await expectDefinedState(nodes)
        for (const { db } of nodes) await db.close()
      }),
      { numRuns: 6 },
    )
  }, 60_000)

  it('of which one knows only the one in the middle', async () => {
    const network = new MemoryNetwork()
    const a = await openNode(network)
    const b = await openNode(network, { joins: [a.port] })
    const c = await openNode(network, { joins: [b.port] })
    network.cut(a.self, c.self)
    await a.db.object('farms').put('a', {})
    await c.db.object('farms').put('c', {})
    await settled(a, b, c)
    expect(Object.keys(await records(b.db))).toHaveLength(2)
  })

  it('two of which looked for a cluster before there was one', async () => {
    const network = new MemoryNetwork()
    const c = await openNode(network, { joins: [32_002], port: 32_003 })
    const b = await openNode(network, { joins: [32_001], port: 32_002 })
    await c.db.object('farms').put('c', {})
    await b.db.object('farms').put('b', {})
    await eventually(() => expect(c.db.peers().some(({ connected }) => connected)).toBe(true))
    const started = performance.now()
    const a = await openNode(network, { port: 32_001 })
    await settled(a, b, c)
    expect(performance.now() - started).toBeLessThan(5_000)
    expect(Object.keys(await records(a.db))).toHaveLength(2)
  })

  it('who all dial each other', async () => {
    const network = new MemoryNetwork()
    const ports = [33_001, 33_002, 33_003]
    const first = await openNode(network, { port: ports[0]! })
    const cluster = first.db.cluster!
    await first.db.close()
    const { directory } = first
    const nodes = await Promise.all(
      ports.map((port, i) =>
        openNode(network, {
          port,
          joins: ports.filter(other => other !== port),
          cluster,
          ...(i === 0 ? { directory } : {}),
        }),
      ),
    )
    await Promise.all(nodes.map(({ db }, i) => db.object('farms').put(`farm-${i}`, { i })))
    await settled(...nodes)
    expect(Object.keys(await records(nodes[1]!.db))).toHaveLength(3)
  })
})

describe('five nodes', () => {
  it('that write at the same time lose nothing and end equal', async () => {
    const network = new MemoryNetwork()
    const nodes = await openCluster(network, 5)
    await nodes[0]!.db.object('shared').put('all', {})
    await settled(...nodes)
    const end = performance.now() + 1_500
    const last = await Promise.all(
      nodes.map(async ({ db }, number) => {
        let written = 0
        while (performance.now() < end) {
          written++
          // A patch says what its writer saw of the others: sealed upon something newer, it would take that back.
          await db.object('shared').patch('all', { [`node-${number}`]: written })
          await db.object('farms').put(`farm-${number}-${written}`, { number, written })
          if (written % 3 === 0) await db.list('readings').insert({ number, written })
        }
        return written
      }),
    )
    await settled(...nodes)
    const shared = await nodes[0]!.db.object<Record<string, number>>('shared').get('all')
    for (const [number, written] of last.entries()) expect(shared?.[`node-${number}`]).toBe(written)
    const total = last.reduce((sum, written) => sum + written, 0)
    expect(await nodes[4]!.db.object('farms').count()).toBe(total)
    await expectDefinedState(nodes)
  }, 60_000)
})
