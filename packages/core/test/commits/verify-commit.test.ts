import { MemoryObjectStore, buildHistory, fakeNodeId, fakeSigner, verifyFakeSignature } from '@atolldb/testkit'
import type { HistoryStep } from '@atolldb/testkit'
import { beforeAll, describe, expect, it } from 'vitest'
import {
  ChangeLists,
  CommitGraph,
  MAX_COMMIT_CHANGES,
  MAX_VALUE_BYTES,
  applyEdits,
  composeDataCommit,
  composeMergeCommit,
  composeRootCommit,
  conflictEntryRef,
  encodeConflictEntry,
  encodeUtf8,
  lookupRecord,
  verifyCommit,
} from '../../src/index.ts'
import type { Clock, CommitId, CommitObject, NodeId, ObjectId, RecordEdit, RecordRef } from '../../src/index.ts'

/*
 * A short history: two nodes edit `farms/north` and insert a line each, then a third sees both. The record is in conflict in
 * their merge, on which most of the commits below are made.
 */
const put = (record: number, value: object) => ({ record, action: 'put' as const, value: { ...value } })
const steps: HistoryStep[] = [
  { node: 0, ownHead: false, others: [], aheadMs: 1, edits: [put(0, { a: 1, b: 1 })] },
  { node: 1, ownHead: false, others: [0], aheadMs: 5, edits: [put(0, { a: 2, b: 1 }), put(2, { t: 1 })] },
  { node: 2, ownHead: false, others: [1], aheadMs: 9, edits: [put(0, { a: 3, b: 1 }), put(1, { c: 1 })] },
  { node: 3, ownHead: false, others: [0, 1], aheadMs: 1, edits: [put(1, { c: 2 })] },
]
const store = new MemoryObjectStore()
const graph = new CommitGraph(store)
const node = fakeNodeId(4)
const north = { kind: 'objects', collection: 'farms', id: 'north' } as RecordRef
const south = { ...north, id: 'south' } as RecordRef
const line = { kind: 'lists', collection: 'readings', id: '01arz3ndektsv4rrffq69g5fav' } as RecordRef
let root: CommitId
let left: CommitId
let right: CommitId
let merge: CommitId
let tree: ObjectId
let clock: Clock

beforeAll(async () => {
  const history = await buildHistory(store, steps)
  root = history.root
  ;[, , left, right] = history.commits as [CommitId, CommitId, CommitId, CommitId]
  merge = (await graph.dataNode(history.commits[4]!)).parents[0]!
  const mergeNode = await graph.node(merge)
  tree = mergeNode.tree
  clock = { ms: mergeNode.clock.ms + 1, counter: 0 }
})

const context = () => ({
  store,
  graph,
  changes: new ChangeLists(graph, store),
  verifySignature: verifyFakeSignature,
  cluster: root,
})

function edit(ref: RecordRef, content: string | Uint8Array | undefined, format: 'json' | 'bytes' = 'json'): RecordEdit {
  const bytes = typeof content === 'string' ? encodeUtf8(content) : content
  return { ...ref, content: bytes && { format, version: store.writeBlob(bytes), bytes } }
}

const settled = (ref: RecordRef): RecordEdit => ({ ...conflictEntryRef(ref), content: undefined })

/** A commit on the merge, by node 4, unless the parts say otherwise. */
function commitOf(parts: { tree: ObjectId; parent?: CommitId; clock?: Clock; signer?: NodeId }): CommitObject {
  return composeDataCommit({
    tree: parts.tree,
    parent: parts.parent ?? merge,
    clock: parts.clock ?? clock,
    name: 'x',
    tallies: [],
    signer: fakeSigner(parts.signer ?? node),
  })
}

async function commitOfEdits(...edits: RecordEdit[]): Promise<CommitObject> {
  return commitOf({ tree: (await applyEdits(store, tree, edits)).tree })
}

async function expectValid(commit: CommitObject): Promise<void> {
  const id = store.writeCommit(commit)
  await expect(verifyCommit(context(), id)).resolves.toMatchObject({ id })
}

async function expectRefused(commit: CommitObject, reason: string): Promise<void> {
  const id = store.writeCommit(commit)
  await expect(verifyCommit(context(), id)).rejects.toMatchObject({
    code: 'REFUSED',
    data: { commit: id, reason: expect.stringContaining(reason) },
  })
}

describe('a data commit', () => {
  it('is valid when it changes records within the rules', async () => {
    await expectValid(await commitOfEdits(edit(south, '{"c":3}')))
    await expectValid(await commitOfEdits(edit(south, undefined), edit(line, undefined)))
    await expectValid(await commitOfEdits(edit(south, new Uint8Array([255]), 'bytes')))
    await expectValid(await commitOfEdits(edit(north, '{"a":5}'), settled(north)))
  })

  it('is valid when it only settles a conflict', async () => {
    await expectValid(await commitOfEdits(settled(north)))
  })

  it('is signed by its node', async () => {
    const commit = await commitOfEdits(edit(south, '1'))
    await expectRefused({ ...commit, signature: 'x' }, 'signature')
    const { signature } = await commitOfEdits(edit(south, '2'))
    await expectRefused({ ...commit, signature: signature! }, 'signature')
    const other = fakeNodeId(5)
    const author = { ...commit.author, email: `${other}@atoll` }
    const renamed = { ...commit, author, committer: author, message: commit.message.replace(node, other) }
    await expectRefused(renamed, 'signature')
  })

  it('has a clock after that of each ancestor', async () => {
    const edited = (await applyEdits(store, tree, [edit(south, '1')])).tree
    const latest = (await graph.node(merge)).clock
    await expectRefused(commitOf({ tree: edited, clock: latest }), 'clock')
    await expectValid(commitOf({ tree: edited, clock: { ...latest, counter: latest.counter + 1 } }))
  })

  it('changes something', async () => {
    await expectRefused(commitOf({ tree }), 'changes nothing')
  })

  it('holds only canonical JSON, or bytes, of legal size', async () => {
    await expectRefused(await commitOfEdits(edit(south, '{"a": 1}')), 'canonical')
    await expectRefused(await commitOfEdits(edit(south, '{"b":1,"a":1}')), 'canonical')
    await expectRefused(await commitOfEdits(edit(south, new Uint8Array([0x22, 0xff, 0x22]))), 'canonical')
    await expectRefused(await commitOfEdits(edit(south, `"${'x'.repeat(MAX_VALUE_BYTES)}"`)), 'bytes')
    await expectRefused(await commitOfEdits(edit(south, new Uint8Array(MAX_VALUE_BYTES + 1), 'bytes')), 'bytes')
    await expectValid(await commitOfEdits(edit(south, new Uint8Array(MAX_VALUE_BYTES), 'bytes')))
  })

  it('holds no more bytes and changes than the limits', async () => {
    const bytes = new Uint8Array(MAX_VALUE_BYTES)
    const large = Array.from({ length: 17 }, (_, i) => edit({ ...south, id: `${i}` } as RecordRef, bytes, 'bytes'))
    await expectRefused(await commitOfEdits(...large), 'bytes of values')
    const many = Array.from({ length: MAX_COMMIT_CHANGES + 1 }, (_, i) =>
      edit({ ...south, id: `${i}` } as RecordRef, '1'),
    )
    await expectRefused(await commitOfEdits(...many), 'changes')
    await expectValid(await commitOfEdits(...many.slice(1)))
  })

  it('never changes a line of a List', async () => {
    await expectRefused(await commitOfEdits(edit(line, '{"t":2}')), 'line')
  })

  it('removes the conflict entries of what it changes, and touches none otherwise', async () => {
    await expectRefused(await commitOfEdits(edit(north, '{"a":5}')), 'leaves its conflict entry')
    const entry = encodeConflictEntry({ contested: true, versions: [left, right] })
    await expectRefused(await commitOfEdits(edit(conflictEntryRef(south), entry)), 'writes a conflict entry')
    await expectRefused(await commitOfEdits(edit(conflictEntryRef(north), '{}'), edit(south, '1')), 'writes a conflict')
    const odd = { ...south, collection: '.atoll.conflicts.tuples.x' } as RecordRef
    await expectRefused(await commitOfEdits(edit(odd, '1')), 'only conflict entries')
  })

  it('changes neither members nor the rules, of whichever kind and name', async () => {
    for (const collection of ['.atoll.members', '.atoll.cluster'])
      for (const id of [node, 'rules', 'x']) {
        const ref = { kind: 'objects', collection, id } as RecordRef
        await expectRefused(await commitOfEdits(edit(ref, '{"role":"admin"}')), 'root commit alone')
        await expectRefused(await commitOfEdits(edit(ref, '1'), edit(south, '1')), 'root commit alone')
        await expectRefused(await commitOfEdits(edit({ ...line, collection } as RecordRef, '{}')), 'root commit alone')
      }
    const founder = { kind: 'objects', collection: '.atoll.cluster', id: 'rules' } as RecordRef
    await expectRefused(await commitOfEdits(edit(founder, undefined)), 'root commit alone')
    await expectValid(await commitOfEdits(edit({ ...south, collection: '.atoll.scripts' } as RecordRef, '1')))
  })

  it('has a tree with nothing but records in the canonical layout', async () => {
    const edited = (await applyEdits(store, tree, [edit(south, '1')])).tree
    const entries = await store.readTree(edited)
    const file = { name: 'README', type: 'blob' as const, id: store.writeBlob(encodeUtf8('hello')) }
    await expectRefused(commitOf({ tree: store.writeTree([...entries, file]) }), '')
    const objects = entries.find(({ name }) => name === 'objects')!
    const stray = store.writeTree([...(await store.readTree(objects.id)), file])
    const strayTree = store.writeTree([...entries.filter(entry => entry !== objects), { ...objects, id: stray }])
    await expectRefused(commitOf({ tree: strayTree }), '')
    const empty = { name: 'empty', type: 'tree' as const, id: store.writeTree([]) }
    const padded = store.writeTree([...(await store.readTree(objects.id)), empty])
    const paddedTree = store.writeTree([...entries.filter(entry => entry !== objects), { ...objects, id: padded }])
    await expectRefused(commitOf({ tree: paddedTree }), '')
  })

  it('has leaves that are as large as they can be', async () => {
    const barns = Array.from({ length: 100 }, (_, i) =>
      edit({ ...south, collection: 'barns', id: `${i + 100}` } as RecordRef, '1'),
    )
    const split = (await applyEdits(store, tree, barns)).tree
    await expectValid(commitOf({ tree: split }))
    const parts = async (id: ObjectId, name: string) => {
      const entries = await store.readTree(id)
      return { entry: entries.find(entry => entry.name === name)!, rest: entries.filter(entry => entry.name !== name) }
    }
    const objects = await parts(split, 'objects')
    const collection = await parts(objects.entry.id, 'barns')
    const fewer = (await store.readTree(collection.entry.id)).slice(0, 2)
    const unfolded = { ...collection.entry, id: store.writeTree(fewer) }
    const withUnfolded = { ...objects.entry, id: store.writeTree([...collection.rest, unfolded]) }
    await expectRefused(commitOf({ tree: store.writeTree([...objects.rest, withUnfolded]) }), 'canonical layout')
  })

  it('has records of legal names', async () => {
    const entries = await store.readTree(tree)
    const withTree = (kind: string, name: string, entry: { type: 'blob' | 'tree'; id: ObjectId }): CommitObject =>
      commitOf({
        tree: store.writeTree([
          ...entries.filter(other => other.name !== kind),
          { name: kind, type: 'tree', id: store.writeTree([{ name, ...entry }]) },
        ]),
      })
    const file = store.writeBlob(encodeUtf8('1'))
    const leaf = (name: string) => ({ type: 'tree', id: store.writeTree([{ name, type: 'blob', id: file }]) }) as const
    const lines = (text: string) => ({ type: 'blob', id: store.writeBlob(encodeUtf8(text)) }) as const
    await expectValid(withTree('lists', 'readings.jsonl', lines(`{"id":"${line.id.slice(0, -1)}a","value":1}\n`)))
    await expectRefused(withTree('lists', 'readings.jsonl', lines('{"id":"not-a-ulid","value":1}\n')), '')
    await expectRefused(withTree('lists', 'readings.jsonl', lines(`{"id":"${line.id.toUpperCase()}","value":1}\n`)), '')
    for (const name of ['Farms', '.atoll', '.farms', 'far%20ms', '.atoll.']) {
      await expectRefused(withTree('objects', name, leaf('a.json')), '')
      await expectRefused(withTree('lists', `${name}.jsonl`, lines('')), '')
    }
    for (const name of ['a', 'a.txt', '%zz.json', 'a%2e.bin.json', 'ä.json', '%c3.json'])
      await expectRefused(withTree('objects', 'farms', leaf(name)), '')
  })

  it('is not judged when its objects are not there', async () => {
    const commit = await commitOfEdits(edit(south, '"missing"'))
    const id = store.writeCommit(commit)
    store.delete((await lookupRecord(store, commit.tree, south))!.version)
    await expect(verifyCommit(context(), id)).rejects.toMatchObject({ code: 'MISSING' })
  })
})

describe('a merge commit', () => {
  const parentOf = async (id: CommitId) => ({ id, clock: (await graph.node(id)).clock })

  it('is valid when it is the merge of its parents', async () => {
    await expect(verifyCommit(context(), merge)).resolves.toMatchObject({ id: merge, type: 'merge' })
  })

  it('has the tree and the time that its parents give', async () => {
    const parents = [await parentOf(left), await parentOf(right)]
    const ofOneSide = (await graph.node(left)).tree
    await expectRefused(composeMergeCommit(parents, ofOneSide), 'not the merge')
    const commit = composeMergeCommit(parents, tree)
    const author = { ...commit.author, seconds: commit.author.seconds + 1 }
    await expectRefused({ ...commit, author, committer: author }, 'not the merge')
  })

  it('has no parent that is an ancestor of another', async () => {
    const parents = [await parentOf(left), await parentOf(root)]
    await expectRefused(composeMergeCommit(parents, (await graph.node(left)).tree), 'ancestor')
  })
})

describe('a root commit', () => {
  const publicKey = `ssh-ed25519 ${'B'.repeat(68)}`
  const found = (key: string) =>
    composeRootCommit(store, { clock: { ms: 5000, counter: 0 }, name: 'x', publicKey: key, signer: fakeSigner(node) })
  const verifyAsCluster = (commit: CommitObject) => {
    const id = store.writeCommit(commit)
    return verifyCommit({ ...context(), cluster: id }, id)
  }
  const refused = (reason: string) => ({ code: 'REFUSED', data: { reason: expect.stringContaining(reason) } })

  it('is valid as composed, and as that of the cluster alone', async () => {
    const commit = await found(publicKey)
    await expect(verifyAsCluster(commit)).resolves.toMatchObject({ type: 'root' })
    await expectRefused(commit, 'another cluster')
  })

  it('is signed, and holds its creator and the rules and nothing else', async () => {
    const commit = await found(publicKey)
    await expect(verifyAsCluster({ ...commit, signature: 'x' })).rejects.toMatchObject(refused('signature'))
    const resign = (unsigned: CommitObject) => ({ ...unsigned, signature: fakeSigner(node).sign(unsigned) })
    const more = (await applyEdits(store, commit.tree, [edit(south, '1')])).tree
    await expect(verifyAsCluster(resign({ ...commit, tree: more }))).rejects.toMatchObject(refused('tree'))
    const otherName = { ...commit.author, name: 'y' }
    const renamed = resign({ ...commit, author: otherName, committer: otherName })
    await expect(verifyAsCluster(renamed)).rejects.toMatchObject(refused('tree'))
    const rules = resign({ ...commit, message: commit.message.replace('Rules: 1', 'Rules: 2') })
    await expect(verifyAsCluster(rules)).rejects.toMatchObject(refused('rules'))
    await expect(verifyAsCluster(await found('ssh-rsa x'))).rejects.toMatchObject(refused('tree'))
  })
})
