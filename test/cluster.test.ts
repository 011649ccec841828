import { MemoryNetwork } from '@atolldb/testkit'
import { isAtollError } from 'atolldb'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../packages/db/test/temporary.ts'
import {
  eventually,
  fsck,
  laterMillisecond,
  openCluster,
  openNode,
  records,
  settled,
} from '../packages/db/test/replication/nodes.ts'

/** Many nodes in one process, on a network in memory. */

interface Farm {
  crop?: string
  area?: number
}

describe('three nodes', () => {
  it('come to one main after offline work on all sides', async () => {
    const network = new MemoryNetwork()
    const [a, b, c] = await openCluster(network, 3)
    const farms = (node: typeof a) => node!.db.object<Farm>('farms')
    await farms(a).put('fields', { crop: 'rye', area: 1 })
    await farms(a).put('same', { crop: 'rye' })
    await farms(a).put('edited', { crop: 'rye' })
    await farms(a).put('deleted', { crop: 'rye' })
    const kept = await a!.db.list('readings').insert({ at: 1 })
    const removed = await a!.db.list('readings').insert({ at: 2 })
    await settled(a!, b!, c!)

    for (const node of [a, b, c]) await node!.db.offline()
    await farms(a).patch('fields', { crop: 'oats' })
    await farms(b).patch('fields', { area: 2 })
    await farms(a).patch('same', { crop: 'oats' })
    await farms(b).patch('same', { crop: 'corn' })
    await laterMillisecond()
    await farms(c).patch('same', { crop: 'hemp' })
    // What is sealed together has the clock of its last change.
    for (const node of [a, b, c]) await node!.db.flush()
    await farms(a).delete('edited')
    await farms(c).patch('edited', { area: 3 })
    for (const node of [a, b]) await farms(node).delete('deleted')
    await c!.db.list('readings').delete(removed)
    await b!.db.list('readings').insert({ at: 3 })
    await a!.db.list('readings').insert({ at: 4 })
    for (const node of [c, a, b]) await node!.db.online()
    await settled(a!, b!, c!)

    const all = await records(a!.db)
    expect(all['objects/farms/fields']).toEqual({ crop: 'oats', area: 2 })
    expect(all['objects/farms/same']).toEqual({ crop: 'hemp' })
    expect(all['objects/farms/edited']).toEqual({ crop: 'rye', area: 3 })
    expect(all['objects/farms/deleted']).toBeUndefined()
    expect(all[`lists/readings/${kept}`]).toEqual({ at: 1 })
    expect(all[`lists/readings/${removed}`]).toBeUndefined()
    expect(Object.keys(all).filter(key => key.startsWith('lists/'))).toHaveLength(3)
    for (const node of [b, c]) expect(await records(node!.db)).toEqual(all)
    expect((await a!.db.status()).conflicts).toBe(2)
    for (const node of [a, b, c]) fsck(node!)
  })
})

describe('a late joiner', () => {
  it('keeps what it wrote alone, and brings it into the cluster', async () => {
    const network = new MemoryNetwork()
    const port = 31_001
    const late = await openNode(network, { joins: [port] })
    await late.db.object('farms').put('mine', { crop: 'rye' })
    await late.db.list('readings').insert({ at: 1 })
    expect(await late.db.object('farms').get('mine')).toEqual({ crop: 'rye' })
    expect(late.db.cluster).toBeUndefined()
    await expect(late.db.flush()).rejects.toSatisfy(error => isAtollError(error, 'NO_CLUSTER'))
    const first = await openNode(network, { port })
    await first.db.object('farms').put('theirs', { crop: 'oats' })
    await settled(first, late)
    expect(late.db.cluster).toBe(first.db.cluster)
    const all = await records(first.db)
    expect(Object.keys(all)).toHaveLength(3)
    expect(await records(late.db)).toEqual(all)
    fsck(first)
    fsck(late)
  })

  it('loses nothing when it is closed before it met anybody', async () => {
    const network = new MemoryNetwork()
    const directory = temporaryDirectory()
    const port = 31_002
    const before = await openNode(network, { joins: [port], directory })
    await before.db.object('farms').put('mine', { crop: 'rye' })
    await before.db.close()
    const first = await openNode(network, { port })
    const after = await openNode(network, { joins: [port], directory })
    await settled(first, after)
    expect(await first.db.object('farms').get('mine')).toEqual({ crop: 'rye' })
  })

  it('joins the cluster it is told', async () => {
    const network = new MemoryNetwork()
    const other = await openNode(network)
    const first = await openNode(network)
    const joiner = await openNode(network, { joins: [other.port, first.port], cluster: first.db.cluster! })
    await joiner.db.object('farms').put('mine', { crop: 'rye' })
    await settled(first, joiner)
    expect(await first.db.object('farms').get('mine')).toEqual({ crop: 'rye' })
    expect(await other.db.object('farms').get('mine')).toBeUndefined()
    await eventually(() => {
      const peer = joiner.db.peers().find(({ id }) => id === other.self)
      expect(peer?.error).toMatch(/OTHER_CLUSTER/)
    })
  })
})
