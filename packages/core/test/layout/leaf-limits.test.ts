import { MemoryObjectStore } from '@atolldb/testkit'
import { describe, expect, it } from 'vitest'
import { applyEdits, type ObjectId, type RecordEdit } from '../../src/index.ts'
import { naiveTree, type NaiveRecord } from './naive-layout.ts'
import { edit, listFiles, ulid } from './sample-records.ts'

/** Applies batches of puts and deletes, and holds the tree after each to the rules. */
async function follow(store: MemoryObjectStore, batches: readonly (readonly RecordEdit[])[]): Promise<ObjectId> {
  const records = new Map<string, NaiveRecord>()
  let tree: ObjectId | undefined
  for (const edits of batches) {
    for (const { kind, collection, id, content } of edits) {
      if (content === undefined) records.delete(id)
      else records.set(id, { kind, collection, id, content })
    }
    ;({ tree } = await applyEdits(store, tree, edits))
    expect(tree).toBe(naiveTree(store, records.values()))
  }
  return tree!
}

describe('a collection of Objects', () => {
  const store = new MemoryObjectStore()
  const letters = Array.from(
    'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.!',
    letter => `a${letter}`,
  )
  const put = (id: string): RecordEdit => edit(store, `objects/c/${id}`, '1')
  const remove = (id: string): RecordEdit => edit(store, `objects/c/${id}`, undefined)
  const depth = async (tree: ObjectId): Promise<number> =>
    Math.max(...[...(await listFiles(store, tree)).keys()].map(path => path.split('/').length))

  it('is one leaf of 64 records, and splits with the 65th', async () => {
    expect(await depth(await follow(store, [letters.slice(0, 64).map(put)]))).toBe(3)
    expect(await depth(await follow(store, [letters.slice(0, 65).map(put)]))).toBe(4)
    expect(await depth(await follow(store, [letters.slice(0, 64).map(put), [put(letters[64]!)]]))).toBe(4)
  })

  it('folds where 64 are left, each of them a child', async () => {
    expect(await depth(await follow(store, [letters.slice(0, 66).map(put), [remove('aA')]]))).toBe(4)
    expect(await depth(await follow(store, [letters.slice(0, 65).map(put), [remove('aA')]]))).toBe(3)
    expect(await depth(await follow(store, [letters.slice(0, 66).map(put), ['aA', 'a.'].map(remove)]))).toBe(3)
  })

  it('counts the record at the prefix', async () => {
    const withOwn = ['a', ...letters.slice(0, 65)].map(put)
    expect(await depth(await follow(store, [withOwn, [remove('aA')]]))).toBe(4)
    expect(await depth(await follow(store, [withOwn, [remove('a')]]))).toBe(4)
    expect(await depth(await follow(store, [withOwn, ['a', 'aA'].map(remove)]))).toBe(3)
    expect(await depth(await follow(store, [withOwn, ['aB', 'aA'].map(remove)]))).toBe(3)
  })

  it('loses a level where one child is left, whatever else is edited', async () => {
    const many = letters.flatMap(letter => [`z${letter}`, `z${letter}${letter}`])
    for (const last of ['za.', 'zaA', 'zaAaA', 'zb'])
      for (const others of [['b'], ['b', 'c'], ['b', 'zz']]) {
        const start = [...many, ...others].map(put)
        await follow(store, [start, [...others.map(remove), put(last)]])
        await follow(store, [start, [...others.map(remove), edit(store, `objects/c/${last}`, '2')]])
        await follow(store, [start, [...others.map(remove), remove(last)]])
      }
  })

  it('keeps an inner node under a fold that is decided above it', async () => {
    const deep = letters.map(letter => `zz${letter}`)
    const shallow = letters.map(letter => `y${letter}`)
    const all = [...deep, ...shallow, 'z', 'x']
    await follow(store, [all.map(put), shallow.map(remove), [remove('z')], [remove('x')]])
    await follow(store, [all.map(put), [...shallow, 'x', 'z'].map(remove)])
    await follow(store, [all.map(put), all.slice(0, 70).map(remove)])
    await follow(store, [all.map(put), all.map(remove)])
  })
})

describe('a List', () => {
  const store = new MemoryObjectStore()
  const put = (number: number, length = 1): RecordEdit =>
    edit(store, `lists/c/${ulid(number)}`, JSON.stringify('x'.repeat(length)))
  const remove = (number: number): RecordEdit => edit(store, `lists/c/${ulid(number)}`, undefined)
  const count = async (tree: ObjectId): Promise<number> => (await listFiles(store, tree)).size
  const lines = Array.from({ length: 130 }, (_, i) => i * 31)
  // Two lines of this length are 16 KiB together: id and punctuation take 45 bytes, the quotes two.
  const half = 8 * 1024 - 47

  it('is one leaf of 128 lines, splits with the 129th, and folds again', async () => {
    expect(await count(await follow(store, [lines.slice(0, 128).map(n => put(n))]))).toBe(1)
    expect(await count(await follow(store, [lines.slice(0, 129).map(n => put(n))]))).toBeGreaterThan(1)
    expect(await count(await follow(store, [lines.map(n => put(n)), [remove(0)]]))).toBeGreaterThan(1)
    expect(await count(await follow(store, [lines.map(n => put(n)), [remove(0), remove(31)]]))).toBe(1)
  })

  it('is one leaf of 16 KiB, and splits with the next byte', async () => {
    expect(await count(await follow(store, [[put(1, half), put(2, half)]]))).toBe(1)
    expect(await count(await follow(store, [[put(1, half), put(2, half + 1)]]))).toBe(2)
  })

  it('folds when a line gets shorter', async () => {
    expect(await count(await follow(store, [[put(1, half), put(2, half + 1)], [put(2, half)]]))).toBe(1)
    expect(await count(await follow(store, [[put(1, half), put(2, half)], [put(2, half + 1)]]))).toBe(2)
  })

  it('has leaves of one line of any length', async () => {
    expect(await count(await follow(store, [[put(1, 500_000)]]))).toBe(1)
    expect(await count(await follow(store, [[put(1, 500_000)], [put(2)], [remove(1)]]))).toBe(1)
    expect(await count(await follow(store, [[put(1, 500_000), put(2, 500_000)], [remove(2)]]))).toBe(1)
  })
})
