import {
  applyEdits,
  canonicalJson,
  compareClock,
  composeDataCommit,
  composeMergeCommit,
  composeRootCommit,
  conflictEntryRef,
  decodeUtf8,
  diffStates,
  encodeConflictEntry,
  encodeUtf8,
  recordKey,
} from '@atolldb/core'
import type {
  Clock,
  CollectionName,
  CommitId,
  ConflictEntry,
  JsonValue,
  ObjectId,
  ObjectStore,
  RecordContent,
  RecordEdit,
  RecordId,
  RecordRef,
} from '@atolldb/core'
import { fakeIdentity } from './history-identity.ts'
import type { HistoryIdentity } from './history-identity.ts'
import { Oracle } from './oracle.ts'
import type { OracleRules } from './oracle-rules.ts'
import type { OracleChange, OracleRecord } from './oracle.ts'

/** One commit of a history to be: numbers that are read modulo what is there, so that any list of steps is a history. */
export interface HistoryStep {
  readonly node: number
  /** It goes on from its node's latest commit; else (a restored backup, a fresh disk) from `others` alone. */
  readonly ownHead: boolean
  /** Further commits that it has seen, counted back from the latest. */
  readonly others: readonly number[]
  /** How far its clock is ahead of the commits that it has seen; 0 counts on within the millisecond. */
  readonly aheadMs: number
  readonly edits: readonly HistoryEdit[]
}

/** An edit of one of the few records of a history. */
export type HistoryEdit =
  | { readonly record: number; readonly action: 'put'; readonly value: JsonValue | Uint8Array }
  /** Assigns one path of the value that is there, if there is one. */
  | { readonly record: number; readonly action: 'assign'; readonly path: readonly string[]; readonly value: JsonValue }
  | { readonly record: number; readonly action: 'remove'; readonly path: readonly string[] }
  /** Writes what is there, which settles a conflict and is nothing otherwise. */
  | { readonly record: number; readonly action: 'keep' }
  | { readonly record: number; readonly action: 'delete' }

/** A history of valid commits in a store, with the oracle that knows it. */
export interface History {
  readonly oracle: Oracle
  readonly root: CommitId
  /** The root first, each after all that it has seen. */
  readonly commits: readonly CommitId[]
}

export interface HistoryOptions {
  /** What the numbers of records in the steps mean. */
  readonly recordAt?: (index: number) => RecordRef
  /** What decides where policies are scripts, and where there are schemas. */
  readonly rules?: OracleRules
  /** Who the nodes are; nobody real by default, whom no node of a cluster believes. */
  readonly identity?: (node: number) => HistoryIdentity
}

const records: readonly RecordRef[] = [
  record('objects', 'farms', 'north'),
  record('objects', 'farms', 'south'),
  record('lists', 'readings', '01arz3ndektsv4rrffq69g5fav'),
  record('objects', 'mixed', ''),
  record('lists', 'readings', '01arz3ndektsv4rrffq69g5faw'),
  // Its values are settings now and then: the policy of the farms changes.
  record('objects', '.atoll.collections', 'objects/farms'),
]

/** The records that a history is about where it does not say otherwise; each further one is another farm. */
export function sampleRecord(index: number): RecordRef {
  return records[index] ?? record('objects', 'farms', `farm-${index}`)
}

/** Builds the history that the steps describe. A step that changes nothing makes no commit. */
export async function buildHistory(
  store: ObjectStore,
  steps: readonly HistoryStep[],
  options: HistoryOptions = {},
): Promise<History> {
  const builder = await HistoryBuilder.start(store, options)
  for (const step of steps) await builder.add(step)
  return builder.history()
}

type OracleState = ReadonlyMap<string, OracleRecord>

class HistoryBuilder {
  readonly #store: ObjectStore
  readonly #oracle: Oracle
  readonly #commits: CommitId[] = []
  readonly #latestByNode = new Map<number, CommitId>()
  readonly #recordAt: (index: number) => RecordRef
  readonly #identity: (node: number) => HistoryIdentity
  #lastTree: { readonly state: OracleState; readonly tree: ObjectId | undefined } = {
    state: new Map(),
    tree: undefined,
  }

  constructor(store: ObjectStore, { recordAt = sampleRecord, rules, identity = fakeIdentity }: HistoryOptions) {
    this.#identity = identity
    this.#store = store
    this.#recordAt = recordAt
    this.#oracle = new Oracle(bytes => store.blobId(bytes), rules)
  }

  static async start(store: ObjectStore, options: HistoryOptions): Promise<HistoryBuilder> {
    const builder = new HistoryBuilder(store, options)
    const { signer, publicKey } = builder.#identity(0)
    const { node } = signer
    const clock = { ms: 1_700_000_000_000, counter: 0 }
    const commit = await composeRootCommit(store, { clock, name: 'root', publicKey, signer })
    const id = store.writeCommit(commit)
    const changes: OracleChange[] = []
    for await (const differences of diffStates(store, undefined, commit.tree))
      for (const { kind, collection, id: recordId, after } of differences)
        changes.push({
          ref: { kind, collection, id: recordId },
          content: after && { ...after, bytes: after.bytes ?? (await store.readBlob(after.version)) },
        })
    builder.#oracle.add({ id, stamp: { clock, node, commit: id }, parents: [], changes })
    builder.#commits.push(id)
    return builder
  }

  history(): History {
    return { oracle: this.#oracle, root: this.#commits[0]!, commits: this.#commits }
  }

  async add(step: HistoryStep): Promise<void> {
    const parents = this.#oracle.heads(this.#seenBy(step))
    const state = this.#oracle.state(parents)
    const changes = changesOf(this.#store, this.#recordAt, state, step.edits)
    if (changes.length === 0) return
    const clock = this.#clockAfter(parents, step.aheadMs)
    const { signer } = this.#identity(step.node)
    const parentTree = await this.#treeOf(state)
    const settled = changes.filter(({ ref }) => state.get(recordKey(ref))?.entry !== undefined)
    const { tree } = await applyEdits(this.#store, parentTree, [
      ...changes.map(({ ref, content }) => ({ ...ref, content })),
      ...settled.map(({ ref }) => ({ ...conflictEntryRef(ref), content: undefined })),
    ])
    const id = this.#store.writeCommit(
      composeDataCommit({
        tree,
        parent: this.mainOf(parents, parentTree),
        clock,
        name: `node ${step.node}`,
        tallies: [],
        signer,
      }),
    )
    this.#latestByNode.set(step.node, id)
    // Who goes on from a backup may write the very same commit again.
    if (this.#commits.includes(id)) return
    this.#oracle.add({ id, stamp: { clock, node: signer.node, commit: id }, parents, changes })
    this.#commits.push(id)
  }

  /** The tree of a state, from that of the state before: most records are the same, and how a tree came about does not show. */
  async #treeOf(state: OracleState): Promise<ObjectId> {
    const before = this.#lastTree
    const edits: RecordEdit[] = []
    for (const key of new Set([...before.state.keys(), ...state.keys()])) {
      const [old, now] = [before.state.get(key), state.get(key)]
      if (old === now) continue
      const { ref } = (now ?? old)!
      edits.push({ ...ref, content: now?.content })
      edits.push({ ...conflictEntryRef(ref), content: now?.entry && entryBlob(this.#store, now.entry) })
    }
    const { tree } = await applyEdits(this.#store, before.tree, edits)
    this.#lastTree = { state, tree }
    return tree
  }

  mainOf(heads: readonly CommitId[], tree: ObjectId): CommitId {
    const [only] = heads
    if (heads.length === 1) return only!
    const parents = heads.map(id => ({ id, clock: this.#oracle.commit(id).stamp.clock }))
    return this.#store.writeCommit(composeMergeCommit(parents, tree))
  }

  #seenBy({ node, ownHead, others }: HistoryStep): CommitId[] {
    const count = this.#commits.length
    const seen = others.map(back => this.#commits[count - 1 - (back % count)]!)
    const own = this.#latestByNode.get(node)
    if (ownHead && own !== undefined) seen.push(own)
    return seen.length > 0 ? seen : [this.#commits[0]!]
  }

  #clockAfter(parents: readonly CommitId[], aheadMs: number): Clock {
    const clocks = parents.map(id => this.#oracle.commit(id).stamp.clock).sort(compareClock)
    const { ms, counter } = clocks.at(-1)!
    return aheadMs === 0 ? { ms, counter: counter + 1 } : { ms: ms + aheadMs, counter: 0 }
  }
}

/** The tree of a state, built from its records alone. */
export async function stateTree(store: ObjectStore, state: Iterable<OracleRecord>): Promise<ObjectId> {
  const edits: RecordEdit[] = []
  for (const { ref, content, entry } of state) {
    if (content !== undefined) edits.push({ ...ref, content })
    if (entry !== undefined) edits.push({ ...conflictEntryRef(ref), content: entryBlob(store, entry) })
  }
  return (await applyEdits(store, undefined, edits)).tree
}

function entryBlob(store: ObjectStore, entry: ConflictEntry): RecordContent {
  return blobOf(store, encodeConflictEntry(entry))
}

/** Those of the edits that are changes, the last one of each record. */
function changesOf(
  store: ObjectStore,
  recordAt: (index: number) => RecordRef,
  state: OracleState,
  edits: readonly HistoryEdit[],
): OracleChange[] {
  const changes = new Map<string, OracleChange>()
  for (const edit of edits) {
    const ref = recordAt(edit.record)
    const { content: before, entry } = state.get(recordKey(ref)) ?? {}
    const content = ref.kind === 'lists' ? editedLine(store, edit, before) : editedObject(store, edit, before)
    if (content?.version !== before?.version || content?.format !== before?.format || entry !== undefined)
      changes.set(recordKey(ref), { ref, content })
  }
  return [...changes.values()]
}

/** A line is inserted where there is none, and deleted otherwise: nothing else is valid. */
function editedLine(
  store: ObjectStore,
  edit: HistoryEdit,
  before: RecordContent | undefined,
): RecordContent | undefined {
  if (edit.action === 'keep') return before
  if (before !== undefined || edit.action === 'delete') return undefined
  const value = 'value' in edit && !(edit.value instanceof Uint8Array) ? edit.value : null
  return blobOf(store, encodeUtf8(canonicalJson(value)))
}

function editedObject(
  store: ObjectStore,
  edit: HistoryEdit,
  before: RecordContent | undefined,
): RecordContent | undefined {
  if (edit.action === 'delete') return undefined
  if (edit.action === 'put')
    return edit.value instanceof Uint8Array
      ? blobOf(store, edit.value, 'bytes')
      : blobOf(store, encodeUtf8(canonicalJson(edit.value)))
  if (edit.action === 'keep' || before?.format !== 'json') return before
  const value = editPath(
    JSON.parse(decodeUtf8(before.bytes)) as JsonValue,
    edit.path,
    edit.action === 'assign' ? edit.value : undefined,
  )
  return blobOf(store, encodeUtf8(canonicalJson(value)))
}

/** Only objects have paths; a path through something else leaves the value as it is. */
function editPath(value: JsonValue, path: readonly string[], assigned: JsonValue | undefined): JsonValue {
  const [key, ...rest] = path
  if (key === undefined || typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const entries = new Map(Object.entries(value))
  const child = entries.get(key)
  if (rest.length > 0 && child !== undefined) entries.set(key, editPath(child, rest, assigned))
  else if (assigned === undefined) entries.delete(key)
  else entries.set(key, assigned)
  return Object.fromEntries(entries)
}

function blobOf(store: ObjectStore, bytes: Uint8Array, format: 'json' | 'bytes' = 'json'): RecordContent {
  return { format, version: store.writeBlob(bytes), bytes }
}

function record(kind: RecordRef['kind'], collection: string, id: string): RecordRef {
  return { kind, collection: collection as CollectionName, id: id as RecordId }
}
