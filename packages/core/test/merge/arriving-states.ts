import {
  MemoryObjectStore,
  SeededRandom,
  buildHistory,
  drawSteps,
  longHistoryRecord,
  sampleOracleRules,
  sampleRuleRunner,
} from '@atolldb/testkit'
import type { History, LongHistoryPlan } from '@atolldb/testkit'
import {
  ChangeLists,
  CommitGraph,
  compareStamp,
  conflictSubject,
  decodeConflictEntry,
  decodeUtf8,
  lookupRecord,
  mergeHead,
  recordKey,
} from '../../src/index.ts'
import type { CommitId, JsonValue, RecordRef, Stamp, State, StoredContent } from '../../src/index.ts'

/** A record as a state shows it. */
export interface ShownRecord {
  readonly ref: RecordRef
  /** Undefined where it is absent. */
  content: StoredContent | undefined
  /** Of its conflict entry; empty where there is none. */
  versions: readonly CommitId[]
}

/** A state as it came about, and the commits that came with it. */
export interface ArrivedState {
  readonly before: ReadonlyMap<string, ShownRecord>
  readonly after: ReadonlyMap<string, ShownRecord>
  readonly added: readonly CommitId[]
  readonly known: ReadonlySet<CommitId>
}

/** A put or delete of a record; what its writer had before it was what the merge showed. */
export interface RecordChange {
  readonly commit: CommitId
  readonly stamp: Stamp
  readonly before: JsonValue | Uint8Array | undefined
  readonly after: JsonValue | Uint8Array | undefined
}

/** A drawn history whose commits arrive in a drawn order: by the merge alone, the oracle only draws it and knows the graph. */
export class ArrivingHistory {
  readonly history: History
  readonly #store: MemoryObjectStore
  readonly #random: SeededRandom

  private constructor(store: MemoryObjectStore, history: History, random: SeededRandom) {
    this.#store = store
    this.history = history
    this.#random = random
  }

  static async draw(seed: number, plan: LongHistoryPlan): Promise<ArrivingHistory> {
    const random = new SeededRandom(`properties ${seed}`)
    const store = new MemoryObjectStore()
    const options = { recordAt: longHistoryRecord, rules: sampleOracleRules }
    return new ArrivingHistory(store, await buildHistory(store, drawSteps(random.fork('steps'), plan), options), random)
  }

  async *states(): AsyncGenerator<ArrivedState> {
    const { history } = this
    const graph = new CommitGraph(this.#store)
    const context = { store: this.#store, graph, changes: new ChangeLists(graph, this.#store), rules: sampleRuleRunner }
    let state: State = { heads: [history.root], tree: (await graph.node(history.root)).tree }
    let known = history.oracle.history(state.heads)
    let shown = new Map<string, ShownRecord>()
    for (const id of this.#arrivals()) {
      if (known.has(id)) continue
      const merged = await mergeHead(context, state, id)
      const before = shown
      shown = new Map(before)
      for await (const batch of merged.differences())
        for (const { kind, collection, id: recordId, after } of batch) {
          const subject = conflictSubject({ kind, collection, id: recordId })
          const ref = subject ?? { kind, collection, id: recordId }
          const record = { ...(shown.get(recordKey(ref)) ?? { ref, content: undefined, versions: [] }) }
          if (subject === undefined) record.content = after
          else record.versions = after === undefined ? [] : decodeConflictEntry(await this.#bytes(after)).versions
          shown.set(recordKey(ref), record)
        }
      const all = history.oracle.history(merged.heads)
      yield { before, after: shown, added: [...all].filter(commit => !known.has(commit)), known: all }
      state = merged
      known = all
    }
  }

  /** The changes to a record by these commits, in the order of their stamps. */
  async changes(ref: RecordRef, commits: Iterable<CommitId>): Promise<RecordChange[]> {
    const { oracle } = this.history
    const key = recordKey(ref)
    const changes: RecordChange[] = []
    for (const id of commits) {
      const { stamp, changes: all } = oracle.commit(id)
      const change = all.find(each => recordKey(each.ref) === key)
      if (change === undefined) continue
      const [parent] = (await this.#store.readCommit(id)).parents
      const before = parent && (await lookupRecord(this.#store, (await this.#store.readCommit(parent)).tree, ref))
      changes.push({ commit: id, stamp, before: await this.value(before), after: await this.value(change.content) })
    }
    return changes.sort((a, b) => compareStamp(a.stamp, b.stamp))
  }

  changedBy(commits: Iterable<CommitId>): Set<string> {
    const keys = [...commits].flatMap(id => this.history.oracle.commit(id).changes.map(({ ref }) => recordKey(ref)))
    return new Set<string>(keys)
  }

  async value(content: StoredContent | undefined): Promise<JsonValue | Uint8Array | undefined> {
    if (content === undefined) return undefined
    const bytes = await this.#bytes(content)
    return content.format === 'bytes' ? bytes : (JSON.parse(decodeUtf8(bytes)) as JsonValue)
  }

  async #bytes(content: StoredContent): Promise<Uint8Array> {
    return content.bytes ?? this.#store.readBlob(content.version)
  }

  #arrivals(): CommitId[] {
    const { commits } = this.history
    return commits
      .map((id, i) => ({ id, at: i + this.#random.below(30) }))
      .sort((a, b) => a.at - b.at)
      .map(({ id }) => id)
  }
}
