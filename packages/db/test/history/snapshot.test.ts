import { applyEdits, type CollectionName, type ObjectReader, type RecordEdit, type RecordId } from '@atolldb/core'
import { hashObject } from '@atolldb/git'
import { MemoryObjectStore } from '@atolldb/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { type Database, open, type RangeOptions } from '../../src/index.ts'
import { TreeCollection } from '../../src/history/snapshot-collection.ts'
import { parseTimeExpression } from '../../src/history/time-expression.ts'
import { temporaryDirectory } from '../temporary.ts'
import { collected } from './collected.ts'

async function opened(): Promise<Database> {
  const db = await open(temporaryDirectory(), { storage: 'memory' })
  onTestFinished(() => db.close())
  return db
}

test('a snapshot stays as it was, whatever is written afterwards', async () => {
  const db = await opened()
  const farms = db.object('farms')
  await farms.put('north', { crop: 'rye' })
  await farms.put('photo', new Uint8Array([1, 2, 3]) as never)
  const id = await db.list('readings').insert({ t: 21.5 })
  const { commit } = await db.flush()
  const then = await db.at(commit)
  await farms.put('north', { crop: 'oats' })
  await farms.delete('photo')
  await db.list('readings').delete(id)
  await db.object('barns').put('old', 1)
  await db.flush()

  const before = then.object('farms')
  expect(then.commit).toBe(commit)
  expect(await before.get('north')).toEqual({ crop: 'rye' })
  expect(await before.get('photo')).toEqual(new Uint8Array([1, 2, 3]))
  expect(await before.get('nowhere')).toBeUndefined()
  expect(await before.has('photo')).toBe(true)
  expect(await before.getMany(['photo', 'nowhere', 'north'])).toEqual([
    new Uint8Array([1, 2, 3]),
    undefined,
    { crop: 'rye' },
  ])
  expect(await before.count()).toBe(2)
  expect(await collected(before.keys())).toEqual(['north', 'photo'])
  expect(await then.list('readings').get(id.toUpperCase())).toEqual({ t: 21.5 })
  expect(await collected(then.list('readings').entries())).toEqual([[id, { t: 21.5 }]])
  expect(await then.collections()).toEqual([
    { kind: 'objects', name: 'farms' },
    { kind: 'lists', name: 'readings' },
  ])
  expect(await (await db.at('main')).object('farms').get('north')).toEqual({ crop: 'oats' })
})

test('ranges of a snapshot are those that the collection had', async () => {
  const db = await opened()
  const ids = Array.from({ length: 300 }, (_, i) => `farm/${(i * 7919) % 1000}`)
  await db.batch(tx => {
    for (const id of ids) tx.object('farms').put(id, { id })
  })
  const { commit } = await db.flush()
  const live = db.object('farms')
  const then = (await db.at(commit)).object('farms')
  const ranges: RangeOptions[] = [
    {},
    { reverse: true },
    { gte: 'farm/3', lt: 'farm/6', limit: 20 },
    { gt: 'farm/3', lte: 'farm/6', reverse: true, limit: 20 },
    { limit: 0 },
    { gt: 'z' },
  ]
  for (const range of ranges) {
    expect(await collected(then.entries(range))).toEqual(await collected(live.entries(range)))
    expect(await collected(then.records(range))).toEqual(await collected(live.records(range)))
    expect(await collected(then.keys(range))).toEqual(await collected(live.keys(range)))
  }
  expect(await then.count()).toBe(await live.count())
})

test('bad names and ids are refused as a live collection does', async () => {
  const db = await opened()
  const then = await db.at('main')
  expect(() => then.object('No Such')).toThrow(expect.objectContaining({ code: 'INVALID' }))
  await expect(then.list('readings').get('no ulid')).rejects.toMatchObject({ code: 'INVALID' })
  await expect(collected(then.object('farms').keys({ limit: -1 }))).rejects.toMatchObject({ code: 'INVALID' })
  await expect(collected(then.object('.atoll.members').keys())).resolves.toEqual([db.node])
  await db.object('farms').put('north', 1)
  const flushed = await db.at((await db.flush()).commit)
  const aborted = flushed.object('farms').keys({ signal: AbortSignal.abort() })
  await expect(collected(aborted)).rejects.toMatchObject({ code: 'ABORTED' })
})

test('a range reads what it returns, in a small collection and in a large one', async () => {
  const small = await readsOfRange(1_000)
  const large = await readsOfRange(20_000)
  expect(large).toBeLessThan(small * 2)
})

/** How many objects a range of 100 reads. */
async function readsOfRange(records: number): Promise<number> {
  const store = new MemoryObjectStore()
  const edits: RecordEdit[] = []
  for (let i = 0; i < records; i++) {
    const bytes = Buffer.from(JSON.stringify({ i }))
    const content = { format: 'json', version: hashObject('blob', bytes), bytes } as const
    edits.push({
      kind: 'objects',
      collection: 'farms',
      id: String(i).padStart(7, '0'),
      content,
    } as unknown as RecordEdit)
  }
  const { tree } = await applyEdits(store, undefined, edits)
  store.resetCounters()
  const farms = new TreeCollection(store, tree, 'objects', 'farms' as never)
  const found = await collected(farms.records({ gte: String(records / 2).padStart(7, '0'), limit: 100 }))
  expect(found).toHaveLength(100)
  return store.reads.tree + store.reads.blob
}

test('a commit is named by main, its id, the beginning of that, or a moment', async () => {
  const db = await opened()
  await db.object('farms').put('north', 1)
  const first = await db.flush()
  await db.object('farms').put('north', 2)
  const second = await db.flush()
  const named = async (name: string): Promise<string> => (await db.at(name)).commit
  expect(await named('main')).toBe(second.commit)
  expect(await named(first.commit)).toBe(first.commit)
  expect(await named(first.commit.slice(0, 12).toUpperCase())).toBe(first.commit)
  expect(await named('@{now}')).toBe(second.commit)
  const { time } = await db.at(first.commit)
  const between = await named(`@{${time.toISOString()}}`)
  // Both commits may fall into one millisecond.
  expect([first.commit, second.commit]).toContain(between)
  for (const missing of ['0'.repeat(40), '00000000', 'no-such-ref', '@{1999-01-01}'])
    await expect(named(missing)).rejects.toMatchObject({ code: 'MISSING', data: { what: 'commit' } })
  for (const bad of ['@{when}', '@{2026-13-01}']) await expect(named(bad)).rejects.toMatchObject({ code: 'INVALID' })
})

test('moments are UTC unless they say otherwise', () => {
  const now = Date.parse('2026-03-02T12:00:00Z')
  const at = (text: string): string => new Date(parseTimeExpression(text, now)).toISOString()
  expect(at('2026-03-01')).toBe('2026-03-01T00:00:00.000Z')
  expect(at('2026-03-01T12:00')).toBe('2026-03-01T12:00:00.000Z')
  expect(at('2026-03-01T12:00+02:00')).toBe('2026-03-01T10:00:00.000Z')
  expect(at('yesterday')).toBe('2026-03-01T12:00:00.000Z')
  expect(at('90 minutes ago')).toBe('2026-03-02T10:30:00.000Z')
})

test('a range asks for few promises where one read brings neighbours to hand, and has every record all the same', async () => {
  const store = new MemoryObjectStore()
  const edits = Array.from({ length: 500 }, (_none, i): RecordEdit => {
    const bytes = Buffer.from(`{"n":${i}}`)
    const id = `farm-${String(i).padStart(3, '0')}` as RecordId
    const content = { format: 'json', version: hashObject('blob', bytes), bytes } as const
    return { kind: 'objects', collection: 'farms' as CollectionName, id, content }
  })
  const { tree } = await applyEdits(store, undefined, edits)
  const inOrder = edits.map(({ content }) => content!)
  const atHand = new Map<string, Uint8Array>()
  let reads = 0
  /** What is read has some of its neighbours in its window. */
  const reader: ObjectReader = {
    has: id => store.has(id),
    blobId: bytes => store.blobId(bytes),
    readTree: id => store.readTree(id),
    readCommit: id => store.readCommit(id),
    readBlob: id => {
      reads++
      const place = inOrder.findIndex(({ version }) => version === id)
      for (const { version, bytes } of inOrder.slice(place, place + 40)) atHand.set(version, bytes!)
      return store.readBlob(id)
    },
    blobAtHand: id => atHand.get(id),
  }
  const farms = new TreeCollection(reader, tree, 'objects', 'farms' as CollectionName)
  const found = await collected(farms.entries({ gte: 'farm-123', limit: 100 }))
  expect(found).toEqual(
    Array.from({ length: 100 }, (_none, i) => [`farm-${String(123 + i).padStart(3, '0')}`, { n: 123 + i }]),
  )
  expect(reads).toBe(3)
})
