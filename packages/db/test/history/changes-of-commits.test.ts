import { MemoryNetwork } from '@atolldb/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { type Database, open } from '../../src/index.ts'
import { openCluster, settled } from '../replication/nodes.ts'
import { temporaryDirectory } from '../temporary.ts'
import { collected } from './collected.ts'

async function opened(): Promise<Database> {
  const db = await open(temporaryDirectory(), { storage: 'memory', name: 'barn' })
  onTestFinished(() => db.close())
  return db
}

test('diff tells what differs between two commits, in both directions', async () => {
  const db = await opened()
  const farms = db.object<unknown>('farms')
  await farms.put('north', { crop: 'rye' })
  await farms.put('gone', 1)
  await farms.put('same', 2)
  const id = await db.list('readings').insert({ t: 1 })
  const { commit: a } = await db.flush()
  await farms.put('north', { crop: 'oats' })
  await farms.delete('gone')
  await farms.put('photo', new Uint8Array([7]))
  await db.list('readings').delete(id)
  const { commit: b } = await db.flush()

  const there = await collected(db.diff(a, b))
  expect(there.map(({ kind, collection, op, id: record }) => `${kind} ${collection} ${op} ${record}`)).toEqual([
    'objects farms delete gone',
    'objects farms put north',
    'objects farms put photo',
    `lists readings delete ${id}`,
  ])
  expect(there[1]).toMatchObject({ before: { value: { crop: 'rye' } }, after: { value: { crop: 'oats' } } })
  expect(there[1]?.after?.version).toBe((await farms.getRecord('north'))?.version)
  expect(there[2]?.before).toBeUndefined()
  expect(there[2]?.after?.value).toEqual(new Uint8Array([7]))
  expect(there[3]).toMatchObject({ before: { value: { t: 1 } }, after: undefined })

  const back = await collected(db.diff(b, a))
  expect(back.map(({ before, after }) => [after, before])).toEqual(there.map(({ before, after }) => [before, after]))
  expect(await collected(db.diff('main', b))).toEqual([])
  expect(await collected(db.diff(a, 'main', { object: 'farms', id: 'north' }))).toEqual([there[1]])
  expect(await collected(db.diff(a, 'main', { list: 'readings' }))).toEqual([there[3]])
  await expect(collected(db.diff(a, 'main', { id: 'north' }))).rejects.toMatchObject({ code: 'INVALID' })
  await expect(collected(db.diff(a, 'main', { object: 'a', list: 'b' }))).rejects.toMatchObject({ code: 'INVALID' })
})

test('the log of a record or collection has the commits that changed it, and what they did', async () => {
  const db = await opened()
  const farms = db.object<unknown>('farms')
  const commits: string[] = []
  const write = async (work: () => Promise<unknown>): Promise<void> => {
    await work()
    commits.push((await db.flush()).commit)
  }
  await write(() => farms.put('north', 1))
  await write(() => farms.put('south', 1))
  await write(() => db.list('readings').insert(5))
  await write(() => farms.put('north', 2))
  await write(() => farms.delete('north'))

  const log = await collected(db.log({ object: 'farms', id: 'north' }))
  expect(log.map(({ commit }) => commit)).toEqual([commits[4], commits[3], commits[0]])
  expect(log.map(({ change }) => [change?.op, change?.before?.value, change?.after?.value])).toEqual([
    ['delete', 2, undefined],
    ['put', 1, 2],
    ['put', undefined, 1],
  ])
  expect(log[0]?.author).toEqual({ name: 'barn', node: db.node })
  const ofFarms = await collected(db.log({ object: 'farms' }))
  expect(ofFarms.map(({ commit }) => commit)).toEqual([commits[4], commits[3], commits[1], commits[0]])
  expect(ofFarms[0]).not.toHaveProperty('change')
  const from = await collected(db.log({ object: 'farms', id: 'north', from: commits[3]!, limit: 1 }))
  expect(from.map(({ commit }) => commit)).toEqual([commits[3]])
  expect(await collected(db.log({ object: 'farms', id: 'never' }))).toEqual([])
  expect(await collected(db.log({ limit: 0 }))).toEqual([])
  expect(await collected(db.log())).toHaveLength(6)
})

test('a merge shows what it decided, and stands in the log of the record in conflict', async () => {
  const network = new MemoryNetwork()
  const [a, b] = await openCluster(network, 2)
  await a!.db.object('farms').put('north', { crop: 'rye', area: 1 })
  await settled(a!, b!)
  await a!.db.offline()
  await a!.db.object('farms').patch('north', { crop: 'oats' })
  await a!.db.object('farms').put('a-only', 1)
  await b!.db.object('farms').patch('north', { area: 12 })
  await a!.db.flush()
  await b!.db.flush()
  await a!.db.online()
  const main = await settled(a!, b!)

  const shown = await a!.db.show('main')
  expect(shown).toMatchObject({ commit: main, type: 'merge', author: { name: 'Atoll' } })
  // Only the record that neither side had like this.
  const changes = await collected(shown.changes)
  expect(changes).toMatchObject([{ id: 'north', op: 'put', after: { value: { crop: 'oats', area: 12 } } }])
  const log = await collected(b!.db.log({ object: 'farms', id: 'north' }))
  expect(log.map(({ type }) => type)).toEqual(['merge', 'data', 'data', 'data'])
  expect(new Set(log.map(({ author }) => author.name))).toEqual(new Set(['Atoll', a!.db.name, b!.db.name]))
  const [data] = log.filter(({ type }) => type === 'data')
  const first = await collected((await a!.db.show(data!.commit.slice(0, 10))).changes)
  expect(first.map(({ id }) => id)).toContain('north')
})

test('refs name commits, and move by compare-and-swap alone', async () => {
  const db = await opened()
  await db.object('farms').put('north', 1)
  const { commit: first } = await db.flush()
  await db.object('farms').put('north', 2)
  const { commit: second } = await db.flush()

  expect(await db.refs.get('harvest/2026')).toBeUndefined()
  expect(await db.refs.update('harvest/2026', 'main')).toEqual({ name: 'harvest/2026', commit: second })
  await expect(db.refs.update('harvest/2026', first)).rejects.toMatchObject({
    code: 'CONFLICT',
    data: { actual: second },
  })
  await expect(db.refs.update('harvest/2026', first, first)).rejects.toMatchObject({ code: 'CONFLICT' })
  await expect(db.refs.update('harvest', first)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await db.refs.get('harvest/2026')).toBe(second)
  await db.refs.update('harvest/2026', first, second)
  expect((await db.at('harvest/2026')).commit).toBe(first)
  await db.refs.update('spring', second, '0'.repeat(40))
  expect(await db.refs.list()).toEqual([
    { name: 'harvest/2026', commit: first },
    { name: 'spring', commit: second },
  ])
  await expect(db.refs.delete('spring', first)).rejects.toMatchObject({ code: 'CONFLICT' })
  await db.refs.delete('spring', second)
  expect(await db.refs.get('spring')).toBeUndefined()
  await expect(db.refs.update('nothing', '0'.repeat(40))).rejects.toMatchObject({ code: 'MISSING' })
  for (const bad of ['main', 'abcd', '', 'a..b', '../heads/main', 'x.lock', '.x', 'a//b', 'a b', 'a@{1}'])
    await expect(db.refs.update(bad, 'main')).rejects.toMatchObject({ code: 'INVALID' })
})

test('of many who move a ref at once, one wins', async () => {
  const db = await opened()
  await db.object('farms').put('north', 1)
  const { commit } = await db.flush()
  const results = await Promise.allSettled(Array.from({ length: 8 }, () => db.refs.update('leader', commit)))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})
