import { MemoryObjectStore, buildHistory, stateTree } from '@atolldb/testkit'
import type { HistoryEdit, HistoryStep } from '@atolldb/testkit'
import { describe, expect, it } from 'vitest'
import {
  ChangeLists,
  CommitGraph,
  MAX_VALUE_BYTES,
  conflictEntryRef,
  decodeConflictEntry,
  decodeUtf8,
  encodeUtf8,
  lookupRecord,
  mergeHead,
  mergeHeads,
} from '../../src/index.ts'
import type { JsonValue, RecordRef } from '../../src/index.ts'

const north = { kind: 'objects', collection: 'farms', id: 'north' } as RecordRef

/** A record as it was, edited by several nodes that do not see each other; and what becomes of it. */
async function concurrentEdits(before: JsonValue, edits: readonly HistoryEdit[]) {
  const first: HistoryStep = {
    node: 0,
    ownHead: false,
    others: [],
    aheadMs: 1,
    edits: [{ record: 0, action: 'put', value: before }],
  }
  const concurrent = edits.map((edit, i): HistoryStep => ({
    node: i,
    ownHead: false,
    others: [i],
    aheadMs: i + 1,
    edits: [edit],
  }))
  const store = new MemoryObjectStore()
  const { oracle, commits } = await buildHistory(store, [first, ...concurrent])
  const graph = new CommitGraph(store)
  const heads = commits.slice(2)
  const { tree } = await mergeHeads({ store, graph, changes: new ChangeLists(graph, store) }, heads)
  expect(tree).toBe(await stateTree(store, oracle.state(heads).values()))
  const content = await lookupRecord(store, tree, north)
  const entry = await lookupRecord(store, tree, conflictEntryRef(north))
  return {
    text: content && decodeUtf8(await store.readBlob(content.version)),
    contested: decodeConflictEntry(await store.readBlob(entry!.version)).contested,
  }
}

const assign = (key: string, value: JsonValue): HistoryEdit => ({ record: 0, action: 'assign', path: [key], value })
const gone: HistoryEdit = { record: 0, action: 'delete' }

describe('the default policies', () => {
  it('keep edits of different fields, uncontested', async () => {
    const merged = await concurrentEdits({ a: 0, b: 0 }, [assign('a', 1), assign('b', 2)])
    expect(merged).toEqual({ text: '{"a":1,"b":2}', contested: false })
  })

  it('give an edited field to the later of two edits, contested', async () => {
    const merged = await concurrentEdits({ a: 0, b: 0 }, [assign('a', 1), assign('a', 2), assign('b', 3)])
    expect(merged).toEqual({ text: '{"a":2,"b":3}', contested: true })
  })

  it('keep an edit beside a later delete, contested, and let deletes be deletes', async () => {
    expect(await concurrentEdits({ a: 0 }, [assign('a', 1), gone])).toEqual({ text: '{"a":1}', contested: true })
    expect(await concurrentEdits({ a: 0 }, [gone, gone])).toEqual({ text: undefined, contested: false })
  })

  it('take the latest of values that are not all objects', async () => {
    const array: HistoryEdit = { record: 0, action: 'put', value: [1] }
    expect(await concurrentEdits({ a: 0 }, [array, assign('a', 1)])).toEqual({ text: '{"a":1}', contested: true })
    expect(await concurrentEdits({ a: 0 }, [assign('a', 1), array])).toEqual({ text: '[1]', contested: true })
    expect(await concurrentEdits({ a: 0 }, [array, gone])).toEqual({ text: undefined, contested: true })
  })

  it('keep what is too large together as contested, as far as objects may be that large', async () => {
    const large = 'x'.repeat(MAX_VALUE_BYTES - 100)
    const two = await concurrentEdits({}, [assign('a', large), assign('b', large)])
    expect(two).toEqual({ text: JSON.stringify({ a: large, b: large }), contested: true })
    const four = await concurrentEdits(
      {},
      ['a', 'b', 'c', 'd'].map(key => assign(key, large)),
    )
    expect(four).toEqual({ text: JSON.stringify({ d: large }), contested: true })
  })
})

it('reads a conflict entry only in its one form', () => {
  const [a, b] = ['a'.repeat(40), 'b'.repeat(40)]
  const decode = (value: unknown) => () => decodeConflictEntry(encodeUtf8(JSON.stringify(value)))
  expect(decode({ contested: true, versions: [a, b] })()).toEqual({ contested: true, versions: [a, b] })
  for (const bad of [
    null,
    [],
    {},
    { contested: 1, versions: [a, b] },
    { contested: true, versions: [b, a] },
    { contested: true, versions: [a] },
    { contested: true, versions: [a, 'b'] },
    { contested: true, versions: [a, b], more: 1 },
  ])
    expect(decode(bad)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
  expect(() => decodeConflictEntry(encodeUtf8('{'))).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
})

it('does nothing for a head that is known, and takes the tree of one that knows all of ours', async () => {
  const step = (node: number, others: number[], at: number): HistoryStep => ({
    node,
    ownHead: false,
    others,
    aheadMs: 1,
    edits: [{ record: 0, action: 'put', value: { at } }],
  })
  const store = new MemoryObjectStore()
  const { commits } = await buildHistory(store, [step(0, [], 1), step(1, [0], 2), step(2, [0], 3)])
  const graph = new CommitGraph(store)
  const context = { store, graph, changes: new ChangeLists(graph, store) }
  const [, a, , c] = commits
  const ours = { heads: [a!], tree: (await graph.node(a!)).tree }
  const forward = await mergeHead(context, ours, c!)
  expect(forward).toMatchObject({ heads: [c], tree: (await graph.node(c!)).tree, unchanged: false })
  expect(await mergeHead(context, forward, a!)).toMatchObject({ heads: [c], tree: forward.tree, unchanged: true })
  expect(await mergeHead(context, forward, c!)).toMatchObject({ heads: [c], unchanged: true })
})
