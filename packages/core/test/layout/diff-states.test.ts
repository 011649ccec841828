import { MemoryObjectStore } from '@atolldb/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  applyEdits,
  diffStates,
  recordKey,
  type ObjectId,
  type RecordDifference,
  type RecordEdit,
} from '../../src/index.ts'
import { anyId, collect, contentOf, edit, ulid } from './sample-records.ts'

const value = fc.option(fc.constantFrom('1', '2', JSON.stringify('x'.repeat(1500))), { nil: undefined, freq: 4 })
const path = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.tuple(fc.constantFrom('a', 'a', 'b'), anyId).map(([name, id]) => `objects/${name}/${id}`),
  },
  {
    weight: 2,
    arbitrary: fc
      .tuple(fc.constantFrom('a', 'b'), fc.nat(900))
      .map(([name, number]) => `lists/${name}/${ulid(number * 11)}`),
  },
)
const records = fc.oneof(
  { weight: 1, arbitrary: fc.uniqueArray(fc.tuple(path, value), { maxLength: 30, selector: ([each]) => each }) },
  {
    weight: 2,
    arbitrary: fc.uniqueArray(fc.tuple(path, value), { minLength: 100, maxLength: 500, selector: ([each]) => each }),
  },
)

describe('the difference of two states', () => {
  it('is that of their records, each once', async () => {
    await fc.assert(
      fc.asyncProperty(records, records, async (first, second) => {
        const store = new MemoryObjectStore()
        const before = first.map(([where, json]) => edit(store, where, json))
        const changes = second.map(([where, json]) => edit(store, where, json))
        const { tree: beforeTree } = await applyEdits(store, undefined, before)
        const { tree: afterTree } = await applyEdits(store, beforeTree, changes)
        const { tree: otherTree } = await applyEdits(store, undefined, changes)
        const after = recordsOf([...before, ...changes])
        await expectDifferences(store, [beforeTree, recordsOf(before)], [afterTree, after])
        await expectDifferences(store, [afterTree, after], [otherTree, recordsOf(changes)])
        await expectDifferences(store, [undefined, new Map()], [afterTree, after])
        await expectDifferences(store, [afterTree, after], [undefined, new Map()])
      }),
      { numRuns: 60 },
    )
  }, 60_000)

  it('brings the bytes of lines, and of Objects only their versions', async () => {
    const store = new MemoryObjectStore()
    const edits = [edit(store, 'objects/o/x', '{"a":1}'), edit(store, `lists/l/${ulid(1)}`, '{"a":1}')]
    const { tree } = await applyEdits(store, undefined, edits)
    const { version, bytes } = contentOf(store, '{"a":1}')
    expect(await collect(diffStates(store, undefined, tree))).toEqual([
      { kind: 'objects', collection: 'o', id: 'x', before: undefined, after: { format: 'json', version } },
      { kind: 'lists', collection: 'l', id: ulid(1), before: undefined, after: { format: 'json', version, bytes } },
    ])
  })

  it('sees a record that turns from JSON into bytes of the same content', async () => {
    const store = new MemoryObjectStore()
    const json = edit(store, 'objects/o/x', '1')
    const bytes = { ...json, content: contentOf(store, '1', 'bytes') }
    const before = await applyEdits(store, undefined, [json])
    const after = await applyEdits(store, before.tree, [bytes])
    expect(await collect(diffStates(store, before.tree, after.tree))).toMatchObject([
      { before: { format: 'json' }, after: { format: 'bytes' } },
    ])
  })

  it('can leave collections out', async () => {
    const store = new MemoryObjectStore()
    const edits = ['objects/a/x', 'objects/b/x', `lists/a/${ulid(1)}`].map(where => edit(store, where, '1'))
    const { tree } = await applyEdits(store, undefined, edits)
    const only = (kind: string, collection: string): boolean => kind === 'objects' && collection === 'b'
    expect(await collect(diffStates(store, undefined, tree, { only }))).toMatchObject([{ collection: 'b' }])
  })

  it('is refused beyond the limit', async () => {
    const store = new MemoryObjectStore()
    const edits = Array.from({ length: 1000 }, (_, i) => edit(store, `objects/a/${i}`, '1'))
    const { tree } = await applyEdits(store, undefined, edits)
    expect(await collect(diffStates(store, undefined, tree, { maxDifferences: 1000 }))).toHaveLength(1000)
    await expect(collect(diffStates(store, undefined, tree, { maxDifferences: 999 }))).rejects.toMatchObject({
      code: 'REFUSED',
    })
  })

  it('reads nothing of a collection that is the same in both', async () => {
    const store = new MemoryObjectStore()
    const { tree } = await applyEdits(store, undefined, [
      edit(store, 'objects/a/x', '1'),
      edit(store, 'objects/b/y', '1'),
    ])
    const { tree: changed } = await applyEdits(store, tree, [edit(store, 'objects/a/x', '2')])
    const [objects] = await store.readTree(tree)
    store.delete((await store.readTree(objects!.id)).find(({ name }) => name === 'b')!.id)
    expect(await collect(diffStates(store, tree, changed))).toHaveLength(1)
  })

  it('says that objects are missing, and nothing else, where they are', async () => {
    const store = new MemoryObjectStore()
    const { tree } = await applyEdits(store, undefined, [edit(store, 'objects/a/x', '1')])
    const [objects] = await store.readTree(tree)
    store.delete((await store.readTree(objects!.id))[0]!.id)
    await expect(collect(diffStates(store, undefined, tree))).rejects.toMatchObject({ code: 'MISSING' })
  })
})

function recordsOf(edits: readonly RecordEdit[]): Map<string, RecordEdit> {
  const byKey = new Map<string, RecordEdit>()
  for (const each of edits) {
    if (each.content === undefined) byKey.delete(recordKey(each))
    else byKey.set(recordKey(each), each)
  }
  return byKey
}

type State = readonly [tree: ObjectId | undefined, records: ReadonlyMap<string, RecordEdit>]

async function expectDifferences(
  store: MemoryObjectStore,
  [beforeTree, before]: State,
  [afterTree, after]: State,
): Promise<void> {
  const expected = new Map<string, [string | undefined, string | undefined]>()
  for (const key of new Set([...before.keys(), ...after.keys()])) {
    const versions = [before, after].map(state => state.get(key)?.content?.version) as [
      string | undefined,
      string | undefined,
    ]
    if (versions[0] !== versions[1]) expected.set(key, versions)
  }
  const differences: RecordDifference[] = await collect(diffStates(store, beforeTree, afterTree))
  expect(differences).toHaveLength(expected.size)
  for (const difference of differences)
    expect([difference.before?.version, difference.after?.version]).toEqual(expected.get(recordKey(difference)))
}
