import { MemoryNetwork } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { eventually, openCluster, openNode, records, settled } from './nodes.ts'

it('what a peer said before is asked again: what it wrote since may have been told to nobody', async () => {
  const network = new MemoryNetwork()
  const [a, b] = await openCluster(network, 2)
  await eventually(async () => expect((await b!.db.status()).state).toBe('synced'))
  network.loses = () => true
  await a!.db.object('farms').put('north', { crop: 'rye' })
  const { commit } = await a!.db.flush()
  expect(await b!.db.object('farms').get('north')).toBeUndefined()
  expect((await b!.db.synced()).main).toBe(commit)
  expect(await b!.db.object('farms').get('north')).toEqual({ crop: 'rye' })
})

it('a node that joins is in sync once it has what its peer holds when asked', async () => {
  const network = new MemoryNetwork()
  const [a] = await openCluster(network, 1)
  network.loses = () => true
  for (let i = 0; i < 5; i++) {
    await a!.db.object('farms').put(`farm-${i}`, { i })
    await a!.db.flush()
  }
  const b = await openNode(network, { joins: [a!.port] })
  const joining = b.db.synced()
  // What is written while it fetches is told by nothing but an answer.
  await eventually(async () => expect((await b.db.status()).main).toBeDefined())
  await a!.db.object('farms').put('late', {})
  const { commit } = await a!.db.flush()
  const { main, peers } = await joining
  expect(peers).toEqual([a!.self])
  if (main !== commit) expect((await b.db.synced()).main).toBe(commit)
  await settled(a!, b)
  expect(await records(b.db)).toEqual(await records(a!.db))
})

it('nobody is asked where nobody could be enough', async () => {
  const db = (await openNode(new MemoryNetwork())).db
  await expect(db.synced({ timeout: 50 })).rejects.toMatchObject({ code: 'TIMEOUT' })
  expect((await db.synced({ peers: 0 })).peers).toEqual([])
})

it('the first answer is enough: nobody waits to be asked again', async () => {
  const [a, b] = await openCluster(new MemoryNetwork(), 2)
  await settled(a!, b!)
  const tookMs: number[] = []
  for (let i = 0; i < 5; i++) {
    const startMs = performance.now()
    await b!.db.synced()
    tookMs.push(performance.now() - startMs)
  }
  // Peers are asked again once a second.
  expect(Math.min(...tookMs)).toBeLessThan(500)
})
