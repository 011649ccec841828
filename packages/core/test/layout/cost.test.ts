import { MemoryObjectStore } from '@atolldb/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import { applyEdits, diffStates, lookupRecord, type ObjectId } from '../../src/index.ts'
import { collect, edit, refOf, ulid } from './sample-records.ts'

const RECORDS = 100_000
const store = new MemoryObjectStore()
const objectAt = (i: number): string => `objects/sensors/sensor-${String(i).padStart(6, '0')}`
const lineAt = (i: number): string => `lists/readings/${ulid(i)}`
const changes: [what: string, path: string, json: string | undefined][] = [
  ['an Object added', `${objectAt(54_321)}-b`, '2'],
  ['an Object with nothing in common added', 'objects/sensors/another', '2'],
  ['an Object changed', objectAt(54_321), '2'],
  ['an Object removed', objectAt(54_321), undefined],
  ['a line added', lineAt(RECORDS), '2'],
  ['a line removed', lineAt(54_321), undefined],
]

describe('at 100,000 Objects and 100,000 lines', () => {
  let tree: ObjectId

  beforeAll(async () => {
    for (let i = 0; i < RECORDS; i += 10_000) {
      const numbers = Array.from({ length: 10_000 }, (_, j) => i + j)
      const edits = numbers.flatMap(n => [
        edit(store, objectAt(n), '1'),
        edit(store, lineAt(n), '{"t":21.5,"unit":"C"}'),
      ])
      ;({ tree } = await applyEdits(store, i === 0 ? undefined : tree, edits))
    }
  })

  it.each(changes)('%s costs a few objects, and so does seeing it', async (_, path, json) => {
    store.resetCounters()
    const { tree: changed } = await applyEdits(store, tree, [edit(store, path, json)])
    expect(changed).not.toBe(tree)
    // Root, kind, the levels of the tree and the leaf.
    expect(store.writes.tree + store.writes.blob).toBeLessThanOrEqual(10)
    // Neighbours are read where a leaf may fold.
    expect(store.reads.tree + store.reads.blob).toBeLessThanOrEqual(json === undefined ? 20 : 10)
    store.resetCounters()
    expect(await collect(diffStates(store, tree, changed))).toHaveLength(1)
    expect(store.reads.tree + store.reads.blob).toBeLessThanOrEqual(20)
  })

  it.each([objectAt(77_777), lineAt(77_777)])('%s is found by reading the way to it', async path => {
    store.resetCounters()
    expect(await lookupRecord(store, tree, refOf(path))).toBeDefined()
    expect(store.reads.tree + store.reads.blob).toBeLessThanOrEqual(9)
  })

  it('a node that is pushed down keeps its id', async () => {
    const inner = async (root: ObjectId, ...names: string[]): Promise<ObjectId | undefined> => {
      let id: ObjectId | undefined = root
      for (const name of names) id = id && (await store.readTree(id)).find(entry => entry.name === name)?.id
      return id
    }
    const pushed = await applyEdits(store, tree, [edit(store, 'objects/sensors/another', '2')])
    expect(await inner(pushed.tree, 'objects', 'sensors', 's')).toBe(await inner(tree, 'objects', 'sensors'))
    const back = await applyEdits(store, pushed.tree, [edit(store, 'objects/sensors/another', undefined)])
    expect(back.tree).toBe(tree)
  })
})
