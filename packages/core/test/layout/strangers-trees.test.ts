import { MemoryObjectStore } from '@atolldb/testkit'
import { describe, expect, it } from 'vitest'
import { diffStates, encodeUtf8, type ObjectId, type TreeEntry } from '../../src/index.ts'
import { collect, ulid } from './sample-records.ts'

/** A directory as an object of entries: text is a file. */
interface Directory {
  readonly [name: string]: string | Directory | ObjectRef
}

interface ObjectRef {
  readonly at: TreeEntry['type']
  readonly id: ObjectId
}

const long = 'x'.repeat(100)
const leaf = (count: number): Directory =>
  Object.fromEntries(Array.from({ length: count }, (_, i) => [`k${i}.json`, '1']))
const lines = (...ids: string[]): string => ids.map(id => `{"id":"${id}","value":1}\n`).join('')

const notInTheLayout: Record<string, Directory> = {
  'a file at the root': { 'readme.md': 'x' },
  'another directory at the root': { tuples: { a: { 'x.json': '1' } } },
  'a file for a kind': { objects: 'x' },
  'a file for a collection of Objects': { objects: { a: 'x' } },
  'a List of another extension': { lists: { 'a.json': lines(ulid(1)) } },
  'a collection that may not be called so': { objects: { A: { 'x.json': '1' } } },
  'a reserved name that is not ours': { objects: { '.atoll': { 'x.json': '1' } } },
  'a collection spelled otherwise': { objects: { '%61': { 'x.json': '1' } } },
  'a collection named like a device': { objects: { con: { 'x.json': '1' } } },
  'a List both small and large': {
    lists: {
      'a.jsonl': lines(ulid(1)),
      a: { '01j0.jsonl': lines(ulid(2)), '01j1.jsonl': lines(`01j1${ulid(1).slice(4)}`) },
    },
  },
  'an empty collection': { objects: { a: {} } },
  'a file of no format': { objects: { a: { 'x.txt': '1' } } },
  'a file without extension': { objects: { a: { x: '1' } } },
  'a name that is not escaped': { objects: { a: { 'x y.json': '1' } } },
  'a name escaped for nothing': { objects: { a: { '%78.json': '1' } } },
  'capital digits in an escape': { objects: { a: { '%2E.json': '1' } } },
  'a device name': { objects: { a: { 'con.json': '1' } } },
  'a name that is not UTF-8': { objects: { a: { '%ff.json': '1' } } },
  'a record twice': { objects: { a: { 'x.json': '1', 'x.bin': '1' } } },
  'too many records in a leaf': { objects: { a: leaf(65) } },
  'a lone child': { objects: { a: { x: { 'x1.json': '1', 'x2.json': '1' } } } },
  'children of several lengths': { objects: { a: { x: { 'x.json': '1' }, yy: { 'yy.json': '1' } } } },
  'children of several prefixes': { objects: { a: { ax: { 'ax.json': '1' }, by: { 'by.json': '1' } } } },
  'a record beside children': { objects: { a: { a: { 'a.json': '1' }, b: { 'b.json': '1' }, 'c.json': '1' } } },
  'a record below a directory that is not its own': {
    objects: { a: { a: { 'b1.json': '1' }, b: { 'b2.json': '1' } } },
  },
  'a node below a directory that is not its own': {
    objects: { a: { a: { b1: { 'b1.json': '1' }, b2: { 'b2.json': '1' } }, b: { 'b3.json': '1' } } },
  },
  'an empty child': { objects: { a: { a: {}, b: { 'b.json': '1' } } } },
  'a long name in one piece': { objects: { a: { [`${long}x.json`]: '1' } } },
  'a piece that is too short': { objects: { a: { 'x~': { 'y.json': '1' } } } },
  'a piece that is too long': { objects: { a: { [`${long}x~`]: { 'y.json': '1' } } } },
  'an empty piece': { objects: { a: { [`${long}~`]: {} } } },
  'a device name as the last piece': { objects: { a: { [`${long}~`]: { 'con.json': '1' } } } },
  'a last piece escaped for nothing': { objects: { a: { [`${long}~`]: { '%79.json': '1' } } } },
  'an id that is too long': { objects: { a: nested(long, 6, { 'x.json': '1' }) } },
  'an endless name': { objects: { a: nested(long, 20, { 'x.json': '1' }) } },
  'an empty List': { lists: { 'a.jsonl': '' } },
  'a List without its last line feed': { lists: { 'a.jsonl': lines(ulid(1)).trimEnd() } },
  'a List with an empty line': { lists: { 'a.jsonl': `\n${lines(ulid(1))}` } },
  'a line that is no record': { lists: { 'a.jsonl': '{"value":1,"id":"01j00000000000000000000001"}\n' } },
  'a line without value': { lists: { 'a.jsonl': `{"id":"${ulid(1)}","value":}\n` } },
  'a line of another end': { lists: { 'a.jsonl': `{"id":"${ulid(1)}","value":1]\n` } },
  'a line whose id is in capitals': { lists: { 'a.jsonl': lines(ulid(1).toUpperCase()) } },
  'a line whose id is no ULID': { lists: { 'a.jsonl': lines('u'.repeat(26)) } },
  'lines out of order': { lists: { 'a.jsonl': lines(ulid(2), ulid(1)) } },
  'a line twice': { lists: { 'a.jsonl': lines(ulid(1), ulid(1)) } },
  'too many lines': { lists: { 'a.jsonl': lines(...Array.from({ length: 129 }, (_, i) => ulid(i))) } },
  'too much in a leaf': {
    lists: { 'a.jsonl': [1, 2].map(i => `{"id":"${ulid(i)}","value":"${'x'.repeat(40_000)}"}\n`).join('') },
  },
  'a file in a large List that is no leaf': {
    lists: { a: { '01j0.json': '1', '01j1.jsonl': lines(`01j1${ulid(1).slice(4)}`) } },
  },
  'a child of a List both leaf and not': {
    lists: {
      a: {
        '01j0.jsonl': lines(ulid(1)),
        '01j0': { '01j00.jsonl': lines(ulid(2)), '01j01.jsonl': lines(`01j01${ulid(1).slice(5)}`) },
      },
    },
  },
}

describe('a tree that is not in the layout is refused:', () => {
  it.each(Object.entries(notInTheLayout))('%s', async (_, directory) => {
    const store = new MemoryObjectStore()
    const { id } = write(store, directory)
    await expect(collect(diffStates(store, undefined, id))).rejects.toMatchObject({ code: 'REFUSED' })
    await expect(collect(diffStates(store, id, undefined))).rejects.toMatchObject({ code: 'REFUSED' })
  })

  it('while the same things done right are not', async () => {
    const store = new MemoryObjectStore()
    const { id } = write(store, {
      objects: {
        a: { a: { 'a1.json': '1' }, b: { 'b.json': '1' }, '%.bin': '1' },
        '%63on': leaf(64),
        c: { [`${long}~`]: { '%63on.json': '1', [`${long}~`]: { '%63on.bin': '1' } }, '%43on.json': '1' },
        d: nested(long, 5, { 'x.json': '1' }),
      },
      lists: {
        'a.jsonl': lines(ulid(1), ulid(2)),
        b: { '01j0.jsonl': lines(ulid(1)), '01j1.jsonl': lines(`01j1${ulid(1).slice(4)}`) },
      },
    })
    expect(await collect(diffStates(store, undefined, id))).toHaveLength(75)
  })
})

describe('few trees with very many paths are refused soon:', () => {
  const bombs: Record<string, (store: MemoryObjectStore) => ObjectRef> = {
    'cut names': store => bomb(store, { 'x.json': '1' }, i => `${String(i).repeat(100)}~`, 12),
    'cut names that lead to nothing': store => bomb(store, {}, i => `${String(i).repeat(100)}~`, 12),
    'nodes within nodes': store => bomb(store, { 'x.json': '1' }, i => `n${i}`, 12),
  }

  it.each(Object.entries(bombs))('%s', async (_, makeBomb) => {
    const store = new MemoryObjectStore()
    const { id } = write(store, { objects: { a: makeBomb(store) } })
    store.resetCounters()
    await expect(collect(diffStates(store, undefined, id, { maxDifferences: 20_000 }))).rejects.toMatchObject({
      code: 'REFUSED',
    })
    expect(store.reads.tree).toBeLessThan(1000)
  })

  it('a name without end', async () => {
    const store = new MemoryObjectStore()
    const { id } = write(store, { objects: { a: nested(long, 500, { 'x.json': '1' }) } })
    store.resetCounters()
    await expect(collect(diffStates(store, undefined, id))).rejects.toMatchObject({ code: 'REFUSED' })
    expect(store.reads.tree).toBeLessThan(25)
  })

  it('directories with names that no id can begin with', async () => {
    const store = new MemoryObjectStore()
    const children = { ['x'.repeat(13)]: leaf(1), [`${'x'.repeat(12)}y`]: leaf(1) }
    const { id } = write(store, { objects: { a: nested(long, 5, children) } })
    store.resetCounters()
    await expect(collect(diffStates(store, undefined, id))).rejects.toMatchObject({ code: 'REFUSED' })
    // Their names alone are too long: nobody looks inside.
    expect(store.reads.tree).toBe(9)
  })

  it('one collection under many names', async () => {
    const store = new MemoryObjectStore()
    const shared = write(store, leaf(64))
    const { id } = write(store, {
      objects: Object.fromEntries(Array.from({ length: 50_000 }, (_, i) => [`c${i}`, shared])),
    })
    store.resetCounters()
    await expect(collect(diffStates(store, undefined, id, { maxDifferences: 1000 }))).rejects.toMatchObject({
      code: 'REFUSED',
    })
    expect(store.reads.tree).toBeLessThan(30)
  })
})

function nested(piece: string, times: number, inside: Directory): Directory {
  return times === 0 ? inside : { [`${piece}~`]: nested(piece, times - 1, inside) }
}

function bomb(store: MemoryObjectStore, inside: Directory, nameOf: (i: number) => string, levels: number): ObjectRef {
  let level = write(store, inside)
  for (let i = 0; i < levels; i++)
    level = write(store, Object.fromEntries(Array.from({ length: 10 }, (_, j) => [nameOf(j), level])))
  return level
}

function write(store: MemoryObjectStore, directory: Directory): ObjectRef {
  const entries = Object.entries(directory).map(([name, inside]): TreeEntry => {
    if (typeof inside === 'string') return { name, type: 'blob', id: store.writeBlob(encodeUtf8(inside)) }
    const { at, id } = isRef(inside) ? inside : write(store, inside)
    return { name, type: at, id }
  })
  return { at: 'tree', id: store.writeTree(entries) }
}

function isRef(inside: Directory | ObjectRef): inside is ObjectRef {
  return typeof inside['id'] === 'string' && 'at' in inside
}
