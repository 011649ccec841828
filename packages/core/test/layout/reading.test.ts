import { MemoryObjectStore } from '@atolldb/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applyEdits,
  compareUtf8,
  EMPTY_TREE,
  listCollections,
  lookupRecord,
  scanRecords,
  type CollectionKind,
  type CollectionName,
  type ScanRange,
} from '../../src/index.ts'
import { anyId, collect, contentOf, edit, refOf, ulid } from './sample-records.ts'

describe('one record', () => {
  it('is found where it is, and nowhere else', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(anyId, { maxLength: 250 }),
        fc.array(anyId, { maxLength: 30 }),
        async (ids, others) => {
          const store = new MemoryObjectStore()
          const { tree } = await applyEdits(
            store,
            undefined,
            ids.map(id => edit(store, `objects/c/${id}`, JSON.stringify(id))),
          )
          for (const id of new Set([...ids, ...others])) {
            const found = await lookupRecord(store, tree, refOf(`objects/c/${id}`))
            const { version } = contentOf(store, JSON.stringify(id))
            expect(found).toEqual(ids.includes(id) ? { format: 'json', version } : undefined)
          }
        },
      ),
      { numRuns: 40 },
    )
  })

  it('of a List comes with its bytes and the version of its value', async () => {
    const store = new MemoryObjectStore()
    for (const count of [1, 128, 129, 2000]) {
      const edits = Array.from({ length: count }, (_, i) => edit(store, `lists/l/${ulid(i)}`, `{"n":${i}}`))
      const { tree } = await applyEdits(store, undefined, edits)
      for (const i of [0, count >> 1, count - 1])
        expect(await lookupRecord(store, tree, refOf(`lists/l/${ulid(i)}`))).toEqual(contentOf(store, `{"n":${i}}`))
      expect(await lookupRecord(store, tree, refOf(`lists/l/${ulid(count)}`))).toBeUndefined()
    }
  })

  it('is not there in no state, no collection, or one of the other kind', async () => {
    const store = new MemoryObjectStore()
    const { tree } = await applyEdits(store, undefined, [
      edit(store, 'objects/a/x', '1'),
      edit(store, `lists/b/${ulid(1)}`, '1'),
    ])
    for (const root of [undefined, EMPTY_TREE, tree])
      for (const ref of ['objects/b/x', 'objects/a/y', `lists/a/${ulid(1)}`, `lists/b/${ulid(2)}`])
        expect(await lookupRecord(store, root, refOf(ref))).toBeUndefined()
  })
})

describe('a range', () => {
  const bound = fc.option(anyId, { nil: undefined })
  const anyRange: fc.Arbitrary<ScanRange> = fc
    .record({
      gt: bound,
      gte: bound,
      lt: bound,
      lte: bound,
      limit: fc.option(fc.nat(80), { nil: undefined }),
      reverse: fc.boolean(),
    })
    .map(range => {
      const set = Object.entries(range).filter(([, each]) => each !== undefined)
      return Object.fromEntries(set)
    })

  it('has the ids between its bounds, in the order of their UTF-8 bytes', async () => {
    const ids = fc.oneof(
      fc.uniqueArray(anyId, { maxLength: 30 }),
      fc.uniqueArray(anyId, { minLength: 80, maxLength: 300 }),
    )
    await fc.assert(
      fc.asyncProperty(ids, fc.array(anyRange, { minLength: 5, maxLength: 5 }), async (all, ranges) => {
        const store = new MemoryObjectStore()
        const { tree } = await applyEdits(
          store,
          undefined,
          all.map(id => edit(store, `objects/c/${id}`, '1')),
        )
        for (const range of ranges) expect(await idsOf(store, tree, 'objects', range)).toEqual(select(all, range))
      }),
      { numRuns: 60 },
    )
  })

  it('of a List has lines with their bytes', async () => {
    const store = new MemoryObjectStore()
    const edits = Array.from({ length: 1000 }, (_, i) => edit(store, `lists/c/${ulid(i)}`, String(i)))
    const { tree } = await applyEdits(store, undefined, edits)
    const range = { gte: ulid(123), lt: ulid(456) }
    const found = await collect(scanRecords(store, tree, 'lists', 'c' as CollectionName, range))
    expect(found).toEqual(
      Array.from({ length: 333 }, (_, i) => ({ id: ulid(123 + i), content: contentOf(store, String(123 + i)) })),
    )
    expect(await idsOf(store, tree, 'lists', { reverse: true, limit: 2 })).toEqual([ulid(999), ulid(998)])
  })

  it('reads what it returns, and the way there', async () => {
    const store = new MemoryObjectStore()
    const edits = Array.from({ length: 20_000 }, (_, i) =>
      edit(store, `objects/c/sensor-${String(i).padStart(6, '0')}`, '1'),
    )
    const { tree } = await applyEdits(store, undefined, edits)
    for (const reverse of [false, true]) {
      store.resetCounters()
      const range = { gte: 'sensor-010000', lt: 'sensor-010100', reverse }
      expect(await idsOf(store, tree, 'objects', range)).toHaveLength(100)
      // The root, the kind, four levels, the ten leaves; of the neighbours none.
      expect(store.reads.tree).toBeLessThanOrEqual(18)
    }
    store.resetCounters()
    expect(await idsOf(store, tree, 'objects', { limit: 5 })).toHaveLength(5)
    expect(store.reads.tree).toBeLessThanOrEqual(8)
  })

  it('of no collection is empty', async () => {
    const store = new MemoryObjectStore()
    expect(await idsOf(store, undefined, 'objects', {})).toEqual([])
    expect(await idsOf(store, EMPTY_TREE, 'lists', {})).toEqual([])
  })

  async function idsOf(
    store: MemoryObjectStore,
    tree: Parameters<typeof scanRecords>[1],
    kind: CollectionKind,
    range: ScanRange,
  ): Promise<string[]> {
    return (await collect(scanRecords(store, tree, kind, 'c' as CollectionName, range))).map(({ id }) => id)
  }

  function select(ids: readonly string[], { gt, gte, lt, lte, limit, reverse }: ScanRange): string[] {
    const found = ids.filter(
      id =>
        (gt === undefined || compareUtf8(id, gt) > 0) &&
        (gte === undefined || compareUtf8(id, gte) >= 0) &&
        (lt === undefined || compareUtf8(id, lt) < 0) &&
        (lte === undefined || compareUtf8(id, lte) <= 0),
    )
    found.sort(compareUtf8)
    return (reverse === true ? found.reverse() : found).slice(0, limit)
  }
})

it('lists the collections that have records', async () => {
  const store = new MemoryObjectStore()
  const { tree } = await applyEdits(store, undefined, [
    ...['con', 'a.jsonl', 'a', '.atoll.members'].map(name => edit(store, `objects/${name}/x`, '1')),
    ...Array.from({ length: 200 }, (_, i) => edit(store, `lists/a.jsonl/${ulid(i)}`, '1')),
    edit(store, `lists/a/${ulid(1)}`, '1'),
  ])
  const found = (await listCollections(store, tree)).map(({ kind, collection }) => `${kind}/${collection}`)
  expect(found.sort()).toEqual([
    'lists/a',
    'lists/a.jsonl',
    'objects/.atoll.members',
    'objects/a',
    'objects/a.jsonl',
    'objects/con',
  ])
  expect(await listCollections(store, undefined)).toEqual([])
})
