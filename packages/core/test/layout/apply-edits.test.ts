import { MemoryObjectStore } from '@atolldb/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { applyEdits, EMPTY_TREE, encodeUtf8, recordKey, type ObjectId, type RecordEdit } from '../../src/index.ts'
import { naiveTree, type NaiveRecord } from './naive-layout.ts'
import { anyId, contentOf, edit, listFiles, ulid } from './sample-records.ts'

describe('the tree', () => {
  // These ids are the on-disk format. They never change.
  it('of a few small collections', async () => {
    const store = new MemoryObjectStore()
    const { tree, tallies } = await applyEdits(store, undefined, [
      edit(store, 'objects/farms/north', '{"crop":"rye"}'),
      edit(store, 'objects/farms/CON', 'null'),
      edit(store, 'objects/farms/', '""'),
      edit(store, 'objects/nul.photos/a b', '1'),
      { ...edit(store, 'objects/farms/raw', ''), content: contentOf(store, 'raw bytes', 'bytes') },
      edit(store, 'objects/farms/' + 'x'.repeat(150), '2'),
      edit(store, `lists/readings/${ulid(2)}`, '{"t":21.5}'),
      edit(store, `lists/readings/${ulid(1)}`, '"ä"'),
    ])
    const files = await listFiles(store, tree)
    expect([...files.keys()]).toEqual([
      'lists/readings.jsonl',
      'objects/%6eul.photos/a%20b.json',
      'objects/farms/%.json',
      'objects/farms/%43ON.json',
      'objects/farms/north.json',
      'objects/farms/raw.bin',
      `objects/farms/${'x'.repeat(100)}~/${'x'.repeat(50)}.json`,
    ])
    expect(Buffer.from(await store.readBlob(files.get('lists/readings.jsonl')!)).toString()).toBe(
      '{"id":"01j00000000000000000000001","value":"ä"}\n{"id":"01j00000000000000000000002","value":{"t":21.5}}\n',
    )
    expect(Buffer.from(await store.readBlob(files.get('objects/farms/north.json')!)).toString()).toBe('{"crop":"rye"}')
    expect([...tallies.values()]).toEqual([
      { kind: 'objects', collection: 'farms', added: 5, changed: 0, removed: 0 },
      { kind: 'objects', collection: 'nul.photos', added: 1, changed: 0, removed: 0 },
      { kind: 'lists', collection: 'readings', added: 2, changed: 0, removed: 0 },
    ])
    expect(tree).toMatchInlineSnapshot(`"dcb7c08150f222e417d9b603f1aa032d33afad95"`)
  })

  it('of a large collection of Objects', async () => {
    const store = new MemoryObjectStore()
    const { tree } = await applyEdits(store, undefined, [
      ...range(100).map(i => edit(store, `objects/sensors/sensor-${pad(i)}`, String(i))),
      edit(store, 'objects/sensors/sensor-00', '"own"'),
    ])
    const paths = [...(await listFiles(store, tree)).keys()]
    expect(paths).toContain('objects/sensors/sensor-00.json')
    expect(paths).toContain('objects/sensors/sensor-001/sensor-0017.json')
    expect(paths).toHaveLength(101)
    expect(tree).toMatchInlineSnapshot(`"91592433c22116a5645c7e6b4682975941706669"`)
  })

  it('of a large List', async () => {
    const store = new MemoryObjectStore()
    const { tree } = await applyEdits(
      store,
      undefined,
      range(300).map(i => edit(store, `lists/readings/${ulid(i)}`, String(i))),
    )
    const zeros = '0'.repeat(20)
    expect([...(await listFiles(store, tree)).keys()]).toEqual(
      Array.from('0123456789', digit => `lists/readings/01j${zeros}0${digit}.jsonl`),
    )
    expect(tree).toMatchInlineSnapshot(`"8364d6216b86ca5ff76ffddca5d63cbfeba4c5da"`)
  })

  it('of nothing is the empty tree', async () => {
    const store = new MemoryObjectStore()
    expect((await applyEdits(store, undefined, [])).tree).toBe(EMPTY_TREE)
    const { tree } = await applyEdits(store, undefined, [
      edit(store, 'objects/a/x', '1'),
      edit(store, `lists/b/${ulid(1)}`, '1'),
    ])
    const emptied = await applyEdits(store, tree, [
      edit(store, 'objects/a/x', undefined),
      edit(store, `lists/b/${ulid(1)}`, undefined),
    ])
    expect(emptied.tree).toBe(EMPTY_TREE)
    expect((await applyEdits(store, EMPTY_TREE, [edit(store, 'objects/a/x', undefined)])).tree).toBe(EMPTY_TREE)
  })
})

describe('edits', () => {
  it('give the tree of the resulting records, whatever the order, the batches and the way', async () => {
    const objectEdit = fc.record({
      path: fc
        .tuple(fc.constantFrom('a', 'a', 'a', 'con', '.atoll.x.jsonl'), anyId)
        .map(([name, id]) => `objects/${name}/${id}`),
      value: fc.option(fc.constantFrom('1', '2'), { nil: undefined, freq: 3 }),
    })
    const listEdit = fc.record({
      path: fc
        .tuple(
          fc.constantFrom('a', 'a.jsonl', '.atoll.x', '.atoll.x.jsonl'),
          fc.nat(900).map(number => ulid(number * 7)),
        )
        .map(([name, id]) => `lists/${name}/${id}`),
      value: fc.option(fc.constantFrom('1', '900', '40000'), { nil: undefined, freq: 3 }),
    })
    const batch = fc.oneof(
      fc.array(fc.oneof(objectEdit, listEdit), { maxLength: 6 }),
      fc.array(objectEdit, { minLength: 60, maxLength: 400 }),
      fc.array(listEdit, { minLength: 60, maxLength: 300 }),
      // Most of what is there goes: nodes fold.
      fc.record({ keepEvery: fc.integer({ min: 2, max: 40 }) }),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(batch, { minLength: 1, maxLength: 5 }), async batches => {
        const store = new MemoryObjectStore()
        const records = new Map<string, NaiveRecord & RecordEdit>()
        let tree: ObjectId | undefined
        for (const batchOfEdits of batches) {
          const edits = Array.isArray(batchOfEdits)
            ? batchOfEdits.map(({ path, value }) =>
                edit(store, path, value && JSON.stringify('x'.repeat(Number(value)))),
              )
            : [...records.values()]
                .filter((_, i) => i % batchOfEdits.keepEvery > 0)
                .map(record => ({ ...record, content: undefined }))
          const lastEdits = new Map(edits.map(each => [recordKey(each), each]))
          for (const [key, each] of lastEdits) {
            if (each.content === undefined) records.delete(key)
            else records.set(key, { ...each, content: each.content })
          }
          ;({ tree } = await applyEdits(store, tree, lastEdits.values()))
          expect(tree).toBe(naiveTree(store, records.values()))
        }
      }),
      { numRuns: 150 },
    )
  }, 60_000)

  it('say how many records they added, changed and removed', async () => {
    const store = new MemoryObjectStore()
    const { tree } = await applyEdits(
      store,
      undefined,
      range(200).map(i => edit(store, `objects/s/${pad(i)}`, '1')),
    )
    const { tallies } = await applyEdits(store, tree, [
      edit(store, 'objects/s/0001', '1'),
      edit(store, 'objects/s/0002', '2'),
      { ...edit(store, 'objects/s/0003', ''), content: contentOf(store, '1', 'bytes') },
      edit(store, 'objects/s/0004', undefined),
      edit(store, 'objects/s/none', undefined),
      edit(store, 'objects/s/zzz', undefined),
      edit(store, 'objects/s/new', '1'),
    ])
    expect([...tallies]).toEqual([
      ['objects/s', { kind: 'objects', collection: 's', added: 1, changed: 2, removed: 1 }],
    ])
  })

  it('that say what is there write nothing', async () => {
    const store = new MemoryObjectStore()
    const edits = [
      ...range(200).map(i => edit(store, `objects/s/${pad(i)}`, '1')),
      ...range(200).map(i => edit(store, `lists/l/${ulid(i)}`, '1')),
    ]
    const { tree } = await applyEdits(store, undefined, edits)
    store.resetCounters()
    const again = await applyEdits(store, tree, [...edits, edit(store, 'objects/none/x', undefined)])
    expect(again.tree).toBe(tree)
    expect(store.writes).toEqual({ blob: 0, tree: 0, commit: 0 })
  })

  it('write the blobs that they bring, and rely on the others', async () => {
    const store = new MemoryObjectStore()
    const version = store.writeBlob(encodeUtf8('"there"'))
    const brought = edit(store, 'objects/a/brought', '"brought"')
    store.resetCounters()
    const { tree } = await applyEdits(store, undefined, [
      brought,
      { ...brought, id: 'there' as never, content: { format: 'json', version } },
    ])
    expect(store.writes.blob).toBe(1)
    for (const id of (await listFiles(store, tree)).values()) await expect(store.readBlob(id)).resolves.toBeDefined()
  })

  it('of one record twice, of a List without its bytes, or with another version are mistakes of the caller', async () => {
    const store = new MemoryObjectStore()
    const version = store.blobId(encodeUtf8('1'))
    const one = edit(store, 'objects/a/x', '1')
    await expect(applyEdits(store, undefined, [one, one])).rejects.toThrow('assertion failed')
    const bare = { ...edit(store, `lists/a/${ulid(1)}`, '1'), content: { format: 'json', version } } as const
    await expect(applyEdits(store, undefined, [bare])).rejects.toThrow('assertion failed')
    const short = edit(store, 'lists/a/short', '1')
    await expect(applyEdits(store, undefined, [short])).rejects.toThrow('assertion failed')
    const wrong = { ...one, content: { ...contentOf(store, '2'), version } }
    await expect(applyEdits(store, undefined, [wrong])).rejects.toThrow('assertion failed')
  })

  it('let others have their turn in long work', async () => {
    const store = new MemoryObjectStore()
    const ids = range(5000).map(i => `objects/s/${pad(i)}`)
    const { tree } = await applyEdits(
      store,
      undefined,
      ids.map(path => edit(store, path, '1')),
    )
    let breaths = 0
    await applyEdits(
      store,
      tree,
      ids.map(path => edit(store, path, '2')),
      {
        breathe: async () => {
          breaths++
        },
      },
    )
    expect(breaths).toBeGreaterThan(10)
  })
})

function range(length: number): number[] {
  return Array.from({ length }, (_, i) => i)
}

function pad(number: number): string {
  return String(number).padStart(4, '0')
}
