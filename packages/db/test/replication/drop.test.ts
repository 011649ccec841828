import { MemoryNetwork } from '@atolldb/testkit'
import type { Conflict } from 'atolldb'
import { expect, it } from 'vitest'
import { fsck, openCluster, records, settled, type TestNode } from './nodes.ts'

/* A collection dropped on one node while others go on writing to it. */

async function pair(): Promise<[TestNode, TestNode]> {
  const [first, second] = await openCluster(new MemoryNetwork(), 2)
  return [first!, second!]
}

async function conflictsOf({ db }: TestNode): Promise<Conflict[]> {
  const found: Conflict[] = []
  for await (const conflict of db.conflicts()) found.push(conflict)
  return found
}

async function apart(nodes: readonly TestNode[], work: () => Promise<unknown>): Promise<void> {
  await Promise.all(nodes.map(({ db }) => db.offline()))
  await work()
  await Promise.all(nodes.map(({ db }) => db.flush()))
  await Promise.all(nodes.map(({ db }) => db.online()))
  await settled(...nodes)
}

it('keeps edits and inserts made elsewhere meanwhile; a collection used again is a new one', async () => {
  const nodes = await pair()
  const [first, second] = nodes
  const farms = first.db.object<unknown>('farms')
  for (const id of ['north', 'south', 'west']) await farms.put(id, { crop: 'rye' })
  const [a, b] = await first.db.list('readings').insertMany([1, 2])
  await settled(first, second)
  await apart(nodes, async () => {
    expect(await first.db.drop(farms)).toEqual({ records: 3 })
    expect(await first.db.drop(first.db.list('readings'))).toEqual({ records: 2 })
    await second.db.object('farms').patch('north', { area: 12 })
    await second.db.object('farms').put('east', { crop: 'oats' })
    await second.db.list('readings').insert(3)
    await second.db.list('readings').delete(a!)
  })
  const left = await records(first.db)
  expect(Object.entries(left).filter(([key]) => key.startsWith('objects/'))).toEqual([
    ['objects/farms/east', { crop: 'oats' }],
    ['objects/farms/north', { crop: 'rye', area: 12 }],
  ])
  expect(Object.values(left)).toContain(3)
  expect(left).not.toHaveProperty([`lists/readings/${b}`])
  expect(await records(second.db)).toEqual(left)
  // An edit against a delete: the edit stays, and that is told.
  expect(await conflictsOf(second)).toMatchObject([{ id: 'north', contested: true, versions: [{}, {}] }])

  expect(await second.db.drop({ kind: 'objects', name: 'farms' })).toEqual({ records: 2 })
  await settled(first, second)
  expect(await conflictsOf(first)).toEqual([])
  await first.db.object('farms').put('north', { crop: 'hay' })
  await settled(first, second)
  expect(await second.db.object('farms').get('north')).toEqual({ crop: 'hay' })
  expect(await second.db.object('farms').count()).toBe(1)
  fsck(first)
})

it('settles what `keep` kept, and conflicts whose record a delete won', async () => {
  const nodes = await pair()
  const [first, second] = nodes
  await first.db.configure('farms', { policy: 'keep' })
  await first.db.configure('notes', { policy: 'latest' })
  await first.db.object('farms').put('north', 1)
  await first.db.object('notes').put('a', 1)
  await settled(first, second)
  await apart(nodes, async () => {
    await first.db.object('farms').put('north', 2)
    await first.db.object('notes').put('a', 2)
    await new Promise(resolve => setTimeout(resolve, 2))
    await second.db.object('farms').put('north', 3)
    await second.db.object('notes').delete('a')
  })
  expect(await second.db.object('notes').count()).toBe(0)
  expect(await conflictsOf(first)).toHaveLength(2)
  await expect(first.db.object('farms').delete('north')).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await first.db.drop({ kind: 'objects', name: 'farms' })).toEqual({ records: 1 })
  expect(await first.db.drop({ kind: 'objects', name: 'notes' })).toEqual({ records: 0 })
  await settled(first, second)
  expect(await conflictsOf(second)).toEqual([])
  expect(await second.db.settings('farms')).toEqual({})
})
