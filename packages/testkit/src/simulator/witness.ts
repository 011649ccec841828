import {
  type Clock,
  type CommitGraph,
  type CommitId,
  type CommitObject,
  compareClock,
  conflictSubject,
  diffStates,
  isAhead,
  lookupRecord,
  parseDataCommit,
  parseRootCommit,
  type RecordKey,
  recordKey,
  type RecordRef,
  type StoredContent,
} from '@atolldb/core'
import { hashObject } from '@atolldb/git'
import { Oracle, type OracleChange } from '../oracle.ts'
import { stateTree } from '../random-history.ts'
import { sampleOracleRules } from '../sample-rules.ts'
import type { LayeredObjects } from './layered-objects.ts'
import { type SimulatedEntry, storedContent } from './simulated-disk.ts'

/** What became of a write. */
interface Fate {
  readonly node: number
  /** The heads that its writer saw. */
  readonly seen: readonly CommitId[]
  isAcknowledged: boolean
  /** Commits that it was sealed into. */
  readonly commits: CommitId[]
  /** Those of them that changed a record to what it wrote; a write that is sealed again changes nothing. */
  readonly effects: Set<CommitId>
  /** It changed nothing in the state of these heads. */
  superfluousAt: readonly CommitId[] | undefined
}

/**
 * Sees what every node does, knows what was promised, and says what was broken. It believes no node: what a commit changed it
 * reads from the commit's trees, and what a state is it asks the oracle.
 */
export class Witness {
  readonly oracle = new Oracle(bytes => hashObject('blob', bytes), sampleOracleRules)
  readonly #authorByCommit = new Map<CommitId, number>()
  readonly #fates = new Map<SimulatedEntry, Fate>()
  readonly #headsByNode = new Map<number, readonly CommitId[]>()
  readonly #durableByNode = new Map<number, readonly CommitId[]>()
  /** Of its last acknowledged write. */
  readonly #clockByNode = new Map<number, Clock>()
  readonly #fail: (what: string) => void
  #root: CommitId | undefined

  constructor(fail: (what: string) => void) {
    this.#fail = fail
  }

  get commits(): number {
    return this.#authorByCommit.size
  }

  async founded(objects: LayeredObjects, root: CommitId): Promise<void> {
    const commit = await objects.readCommit(root)
    const { clock, node } = parseRootCommit(commit)
    const changes = await changesBetween(objects, undefined, commit)
    this.oracle.add({ id: root, stamp: { clock, node, commit: root }, parents: [], changes })
    this.#root = root
  }

  // --- A node's life -------------------------------------------------------------------------------------------------

  /** Before it ends: what it must have when it comes back. */
  ends(node: number, durableHeads: readonly CommitId[]): void {
    this.#durableByNode.set(node, durableHeads)
  }

  started(node: number, heads: readonly CommitId[] | undefined, unsealed: readonly SimulatedEntry[]): void {
    const found = heads ?? []
    for (const head of this.#durableByNode.get(node) ?? [])
      if (!this.#isIn(head, found)) this.#fail(`node ${node} came back without commit ${head}, which was durable`)
    this.#headsByNode.set(node, found)
    const kept = new Set(unsealed)
    this.#clockByNode.delete(node)
    for (const [entry, fate] of this.#fates) {
      if (fate.node !== node || !fate.isAcknowledged) continue
      // What changed nothing is in no commit: nobody will ever compare with its clock.
      if (fate.superfluousAt === undefined) this.#clockByNode.set(node, entry.clock)
      if (kept.has(entry)) continue
      if (!this.#isKept(fate, found))
        this.#fail(`node ${node} came back without write ${entry.sequence}, which was acknowledged`)
    }
  }

  wrote(node: number, entry: SimulatedEntry, heads: readonly CommitId[] | undefined): void {
    const fate: Fate = {
      node,
      seen: heads ?? [this.#root!],
      isAcknowledged: false,
      commits: [],
      effects: new Set(),
      superfluousAt: undefined,
    }
    this.#fates.set(entry, fate)
  }

  /** A node's clock grows from write to write, over restarts too. */
  acknowledged(node: number, entry: SimulatedEntry): void {
    const before = this.#clockByNode.get(node)
    if (before !== undefined && compareClock(entry.clock, before) <= 0)
      this.#fail(`the clock of node ${node} went back`)
    this.#clockByNode.set(node, entry.clock)
    this.#fates.get(entry)!.isAcknowledged = true
  }

  /** A node wrote a commit, and has not moved to it yet. */
  async sealed(node: number, objects: LayeredObjects, id: CommitId, entries: readonly SimulatedEntry[]): Promise<void> {
    const commit = await objects.readCommit(id)
    const parent = await objects.readCommit(commit.parents[0]!)
    const parents = parent.parents.length > 1 ? parent.parents : [commit.parents[0]!]
    if (!this.#authorByCommit.has(id)) {
      const { clock, node: author } = parseDataCommit(commit)
      const changes = await changesBetween(objects, parent, commit)
      this.oracle.add({ id, stamp: { clock, node: author, commit: id }, parents, changes })
      this.#authorByCommit.set(id, node)
    }
    for (const ref of this.#lastContents(entries).values()) {
      const stored = await lookupRecord(objects, commit.tree, ref)
      if (!isSame(stored, storedContent(ref)))
        this.#fail(`node ${node} sealed ${id} without what was written to ${nameOf(ref)}`)
    }
    const known = this.oracle.history(parents)
    const { changes } = this.oracle.commit(id)
    for (const entry of entries) {
      const fate = this.#fates.get(entry)!
      fate.commits.push(id)
      if (changes.some(change => entry.changes.some(each => isSameChange(change, each)))) fate.effects.add(id)
      this.#checkSight(fate, id, known)
    }
  }

  /** Between what the writer saw and what its commit stands on lies nothing but what the same node wrote. */
  #checkSight(fate: Fate, id: CommitId, known: ReadonlySet<CommitId>): void {
    const seen = this.oracle.history(fate.seen)
    for (const commit of known)
      if (!seen.has(commit) && this.#authorByCommit.get(commit) !== fate.node)
        this.#fail(`commit ${id} of node ${fate.node} claims to have seen ${commit}, which its writer had not`)
    for (const commit of seen)
      if (!known.has(commit))
        this.#fail(`commit ${id} of node ${fate.node} does not know ${commit}, which its writer had seen`)
  }

  /** What was to be sealed was there already. */
  changedNothing(node: number, entries: readonly SimulatedEntry[], heads: readonly CommitId[]): void {
    for (const ref of this.#lastContents(entries).values()) {
      const { content, entry } = this.record(ref, heads)
      if (!isSame(content, storedContent(ref)) || entry !== undefined)
        this.#fail(`node ${node} dropped what was written to ${nameOf(ref)}`)
    }
    for (const entry of entries) this.#fates.get(entry)!.superfluousAt = heads
  }

  #lastContents(entries: readonly SimulatedEntry[]): Map<RecordKey, SimulatedEntry['changes'][number]> {
    return new Map(entries.flatMap(entry => entry.changes).map(change => [recordKey(change), change]))
  }

  /** History only grows, on every node. */
  moved(node: number, heads: readonly CommitId[]): void {
    for (const before of this.#headsByNode.get(node) ?? [])
      if (!this.#isIn(before, heads)) this.#fail(`main of node ${node} went back: it lost commit ${before}`)
    if (heads.some(a => heads.some(b => a !== b && this.oracle.isAncestor(a, b))))
      this.#fail(`node ${node} merged a commit with its own ancestor`)
    this.#headsByNode.set(node, heads)
  }

  told(node: number, isDurable: boolean): void {
    if (!isDurable) this.#fail(`node ${node} told of a main that is not durable`)
  }

  async adopts(
    node: number,
    graph: CommitGraph,
    commits: readonly CommitId[],
    nowMs: number | undefined,
  ): Promise<void> {
    for (const id of commits) {
      const { clock } = await graph.node(id)
      if (nowMs !== undefined && isAhead(clock, nowMs)) this.#fail(`node ${node} adopted ${id}, whose clock is ahead`)
    }
  }

  // --- States --------------------------------------------------------------------------------------------------------

  record(ref: RecordRef, heads: readonly CommitId[]): ReturnType<Oracle['record']> {
    return this.oracle.record(ref, heads)
  }

  /** A read, of what no pending write hides, shows the state of the heads. */
  read(node: number, ref: RecordRef, heads: readonly CommitId[], content: StoredContent | undefined): void {
    if (!isSame(this.record(ref, heads).content, content))
      this.#fail(`node ${node} read of ${nameOf(ref)} what the state of its heads does not have`)
  }

  /** The whole state, conflict entries included. */
  async holds(
    node: number,
    objects: LayeredObjects,
    tree: CommitObject['tree'],
    heads: readonly CommitId[],
  ): Promise<void> {
    const defined = await stateTree(objects.stage(), this.oracle.state(heads).values())
    if (defined !== tree) this.#fail(`node ${node} holds a state that is not the one of its commits`)
  }

  /** All that was promised is in the history of these heads, once. */
  keeps(heads: readonly CommitId[]): void {
    for (const [{ sequence }, fate] of this.#fates) {
      if (!fate.isAcknowledged) continue
      if (!this.#isKept(fate, heads)) this.#fail(`write ${sequence} of node ${fate.node} was acknowledged and is gone`)
      const holders = [...fate.effects].filter(id => this.#isIn(id, heads))
      if (holders.length > 1) this.#fail(`write ${sequence} of node ${fate.node} is in ${holders.length} commits`)
    }
  }

  #isKept({ commits, superfluousAt }: Fate, heads: readonly CommitId[]): boolean {
    return commits.some(id => this.#isIn(id, heads)) || superfluousAt?.every(id => this.#isIn(id, heads)) === true
  }

  #isIn(id: CommitId, heads: readonly CommitId[]): boolean {
    return heads.some(head => this.oracle.isAncestor(id, head))
  }
}

async function changesBetween(
  objects: LayeredObjects,
  before: CommitObject | undefined,
  after: CommitObject,
): Promise<OracleChange[]> {
  const refs = new Map<RecordKey, RecordRef>()
  for await (const differences of diffStates(objects, before?.tree, after.tree))
    for (const { kind, collection, id } of differences) {
      const ref = conflictSubject({ kind, collection, id }) ?? { kind, collection, id }
      refs.set(recordKey(ref), ref)
    }
  const changes: OracleChange[] = []
  for (const ref of refs.values()) {
    const stored = await lookupRecord(objects, after.tree, ref)
    const content = stored && { ...stored, bytes: stored.bytes ?? (await objects.readBlob(stored.version)) }
    changes.push({ ref, content })
  }
  return changes
}

function isSame(a: StoredContent | undefined, b: StoredContent | undefined): boolean {
  return a?.version === b?.version && a?.format === b?.format
}

function isSameChange(change: OracleChange, written: SimulatedEntry['changes'][number]): boolean {
  return recordKey(change.ref) === recordKey(written) && isSame(change.content, storedContent(written))
}

function nameOf({ kind, collection, id }: RecordRef): string {
  return `${kind}/${collection}/${id}`
}
