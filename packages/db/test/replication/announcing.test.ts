import { cpSync } from 'node:fs'
import { type CommitId, decodeHeads } from '@atolldb/core'
import { MemoryNetwork } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { Forger, packOf } from './forger.ts'
import { eventually, openCluster, openNode, settled, type TestNode } from './nodes.ts'
import { Puppet, sendPacks } from './puppet.ts'
import { temporaryDirectory } from '../temporary.ts'

/** Far below the timer, which would bring in 22 s at the earliest what nobody tells. */
const SOON_MS = 5_000

/** Whoever hears of a commit whose writer it cannot reach waits for a neighbour that has it to say so. */
it('a write walks down a line of nodes of which each knows its neighbours only', async () => {
  const network = new MemoryNetwork()
  const line = await openCluster(network, 4)
  for (const [i, one] of line.entries()) for (const other of line.slice(i + 2)) network.cut(one.self, other.self)
  await line[0]!.db.object('farms').put('north', { crop: 'rye' })
  const startMs = performance.now()
  await settled(...line)
  expect(await line[3]!.db.object('farms').get('north')).toEqual({ crop: 'rye' })
  expect(performance.now() - startMs).toBeLessThan(SOON_MS)
})

it('who wrote nothing says once what it adopted, so that each node knows what the others hold', async () => {
  const network = new MemoryNetwork()
  const nodes = await openCluster(network, 4)
  await allSynced(nodes)
  const told = tellings(network)
  await nodes[0]!.db.object('farms').put('north', {})
  const { commit } = await nodes[0]!.db.flush()
  await allSynced(nodes)
  expect(told.toSorted(bySender)).toEqual(
    nodes.map(({ self }) => ({ from: self, heads: [commit], main: commit })).toSorted(bySender),
  )
})

it('a main that is only named is asked about where its heads do not come from elsewhere', async () => {
  const network = new MemoryNetwork()
  const a = await openNode(network)
  await a.db.object('farms').put('north', {})
  const { commit: main } = await a.db.flush()
  const forger = await Forger.upon(a)
  const { clock } = await forger.graph.node(main)
  const head = await forger.commit(main, {
    id: 'south',
    value: { crop: 'oats' },
    clock: { ms: clock.ms + 1, counter: 0 },
  })
  const puppet = await Puppet.start(network, a.db.cluster!, a.port)
  await puppet.offer(a.self, [main])
  await eventually(async () => expect((await a.db.status()).peers[0]?.main).toBe(main))
  // It names one more, and tells it when it is asked.
  const pack = packOf(forger.take())
  puppet.heads = [head]
  puppet.script = async (frames, request) => {
    expect(request.wants).toEqual([head])
    await sendPacks(frames, [pack])
  }
  await puppet.name(head)
  await eventually(async () => expect((await a.db.status()).main).toBe(head), SOON_MS)
})

it('a hello that an announcement has overtaken takes nothing back, and one on a new connection is heard whatever it counts', async () => {
  const network = new MemoryNetwork()
  const a = await openNode(network)
  await a.db.object('farms').put('north', {})
  const { commit: main } = await a.db.flush()
  const puppet = await Puppet.start(network, a.db.cluster!, a.port)
  const mainOfPuppet = async (): Promise<CommitId | undefined> => (await a.db.status()).peers[0]?.main
  puppet.heads = [main]
  await puppet.name(main)
  await puppet.tell(a.self)
  await eventually(async () => expect(await mainOfPuppet()).toBe(main))
  const cluster = a.db.cluster!
  puppet.heads = [cluster]
  puppet.sequence = [1, 0]
  await puppet.tell(a.self)
  // Its answer to this comes later on the same line.
  await expect(a.db.synced()).resolves.toMatchObject({ main })
  expect(await mainOfPuppet()).toBe(main)
  network.cut(a.self, puppet.self)
  network.heal(a.self, puppet.self)
  await eventually(async () => expect(await mainOfPuppet()).toBe(cluster))
})

it('a node that was put back to a backup, and counts anew, is heard at once', async () => {
  const network = new MemoryNetwork()
  const a = await openNode(network)
  const first = await openNode(network, { joins: [a.port] })
  const { directory, port, self } = first
  await settled(a, first)
  await first.db.close()
  const backup = temporaryDirectory()
  cpSync(directory, backup, { recursive: true })
  const again = { joins: [a.port], port, self }
  for (let start = 0; start < 3; start++) {
    const later = await openNode(network, { ...again, directory })
    await later.db.object('farms').put(`later ${start}`, {})
    await settled(a, later)
    await later.db.close()
  }
  const restored = await openNode(network, { ...again, directory: backup })
  await settled(a, restored)
  const startMs = performance.now()
  await restored.db.object('farms').put('north', { crop: 'rye' })
  await restored.db.flush()
  await settled(a, restored)
  expect(await a.db.object('farms').get('north')).toEqual({ crop: 'rye' })
  expect(performance.now() - startMs).toBeLessThan(SOON_MS)
})

interface Telling {
  readonly from: string
  readonly heads: readonly CommitId[]
  readonly main: CommitId
}

/** What is told on the channel from now on, each thing once. */
function tellings(network: MemoryNetwork): Telling[] {
  const told: Telling[] = []
  const seen = new Set<Uint8Array>()
  network.loses = (from, _to, message) => {
    if (seen.has(message)) return false
    seen.add(message)
    const { heads, main } = decodeHeads(message)
    told.push({ from, heads, main })
    return false
  }
  return told
}

/** Each of them knows that all hold what it holds. */
async function allSynced(nodes: readonly TestNode[]): Promise<void> {
  for (const { db } of nodes) await eventually(async () => expect((await db.status()).state).toBe('synced'), SOON_MS)
}

function bySender(a: Telling, b: Telling): number {
  return a.from < b.from ? -1 : 1
}
