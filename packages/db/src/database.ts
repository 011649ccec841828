import {
  AtollError,
  type ChangeLists,
  type CollectionSettings,
  type CommitGraph,
  type CommitId,
  type Environment,
  type NodeId,
  parseCollectionName,
  type RecordId,
} from '@atolldb/core'
import type { CompactionSummary, Repository } from '@atolldb/git'
import type { CacheCounts } from './api/cache.ts'
import type {
  CollectionRef,
  Dropped,
  ListCollection,
  ObjectCollection,
  TupleCollection,
  TupleOptions,
  WriteOptions,
} from './api/collections.ts'
import type { Conflicts, ConflictsOptions } from './api/conflicts.ts'
import type { CompactOptions, Database, SyncedOptions, Transaction } from './api/database.ts'
import type {
  ChangesOptions,
  DiffOptions,
  FeedChange,
  LogEntry,
  LogOptions,
  RecordChange,
  Refs,
  ShownCommit,
  Snapshot,
} from './api/history.ts'
import type { Scripts, SettingsChange, SettingsOptions } from './api/settings.ts'
import type { CollectionInfo, PeerStatus, Status } from './api/status.ts'
import { dropCollection } from './collections/drop.ts'
import { StoredListCollection } from './collections/list-collection.ts'
import { StoredObjectCollection } from './collections/object-collection.ts'
import { StoreTransaction } from './collections/transaction.ts'
import { MemoryTupleCollection } from './collections/tuple-collection.ts'
import type { StoredConfiguration } from './collections/configuration.ts'
import { StoredConflicts } from './conflicts/conflicts.ts'
import type { ReservedContent } from './conflicts/outcome.ts'
import type { SettingsFile } from './directory/settings.ts'
import type { Branch } from './engine/branch.ts'
import type { Compactor } from './engine/compactor.ts'
import type { History } from './engine/history.ts'
import type { Feed } from './history/feed.ts'
import type { HistoryReader } from './history/history-reader.ts'
import { Mutex } from './scheduling/mutex.ts'
import type { RecordStore } from './engine/record-store.ts'
import type { Sealer } from './engine/sealer.ts'
import type { Replicator } from './replication/replicator.ts'
import { waitUntilSynced } from './replication/synced.ts'
import { describeState, readCounts, type StatusParts, userCollections } from './status.ts'

/** The parts of an open node, put together by `open`. */
export interface NodeParts {
  readonly node: NodeId
  readonly name: () => string
  readonly cluster: () => CommitId | undefined
  readonly environment: Environment
  readonly settings: SettingsFile
  readonly branch: Branch
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly changeLists: ChangeLists
  readonly store: RecordStore
  readonly history: History
  readonly sealer: Sealer
  readonly compactor: Compactor
  readonly feed: Feed
  readonly past: HistoryReader
  readonly replicator: Replicator | undefined
  readonly configuration: StoredConfiguration
  readonly nextListId: () => RecordId
  readonly statusParts: StatusParts
  /** Called whenever something that status shows may have changed. Returns the undo. */
  readonly onChange: (listener: () => void) => () => void
  /** A subscriber threw. */
  readonly onListenerFailed: (error: unknown) => void
  /** Closes files, after everything above has stopped. */
  readonly release: () => Promise<void>
}

/** The public face of a node. */
export class NodeDatabase implements Database {
  readonly #parts: NodeParts
  readonly #tuples = new Map<string, MemoryTupleCollection<unknown>>()
  /** `offline` and `online`, in the order they are called. */
  readonly #connecting = new Mutex()
  #closing: Promise<void> | undefined

  constructor(parts: NodeParts) {
    this.#parts = parts
  }

  get node(): NodeId {
    return this.#parts.node
  }

  get name(): string {
    return this.#parts.name()
  }

  get cluster(): CommitId | undefined {
    return this.#parts.cluster()
  }

  object<T>(name: string): ObjectCollection<T> {
    return new StoredObjectCollection<T>(this.#parts.store, parseCollectionName(name))
  }

  list<T>(name: string): ListCollection<T> {
    return new StoredListCollection<T>(this.#parts.store, parseCollectionName(name), this.#parts.nextListId)
  }

  /** One tuple a name: asked for again, it is the same one, with the options it was made with. */
  tuple<T>(name: string, options: TupleOptions = {}): TupleCollection<T> {
    let tuple = this.#tuples.get(name)
    if (tuple === undefined) {
      const { environment, onListenerFailed } = this.#parts
      const monotonicMs = (): number => environment.monotonicMs()
      tuple = new MemoryTupleCollection(parseCollectionName(name), options, monotonicMs, onListenerFailed)
      this.#tuples.set(name, tuple)
    }
    // As with Objects, what a collection holds is the caller's word.
    return tuple as unknown as TupleCollection<T>
  }

  get scripts(): Scripts {
    return this.#parts.configuration.scripts
  }

  settings(name: string, options?: SettingsOptions): Promise<CollectionSettings> {
    return this.#parts.configuration.settings(name, options)
  }

  configure(
    name: string,
    change: SettingsChange,
    options?: SettingsOptions & WriteOptions,
  ): Promise<CollectionSettings> {
    return this.#parts.configuration.configure(name, change, options)
  }

  collections(): Promise<CollectionInfo[]> {
    return userCollections(this.#parts.store)
  }

  drop(collection: CollectionRef, options?: WriteOptions): Promise<Dropped> {
    return dropCollection(this.#parts.store, collection, options)
  }

  cacheCounts(): CacheCounts {
    return this.#parts.store.cacheCounts()
  }

  async batch<R>(work: (tx: Transaction) => Promise<R> | R): Promise<R> {
    const transaction = new StoreTransaction(this.#parts.store, this.#parts.nextListId)
    try {
      const result = await work(transaction)
      await transaction.commit()
      return result
    } finally {
      transaction.end()
    }
  }

  /** What would wait for background work that has ended is refused. @throws CLOSED */
  #assertOpen(): void {
    if (this.#closing !== undefined) throw new AtollError('CLOSED', 'the database is closed', { what: 'database' })
  }

  async flush(): Promise<{ commit: CommitId }> {
    this.#assertOpen()
    const { main } = await this.#parts.history.seal()
    return { commit: main }
  }

  async compact(options: CompactOptions = {}): Promise<CompactionSummary> {
    this.#assertOpen()
    return this.#parts.compactor.compactAll(options)
  }

  async at(commit: string): Promise<Snapshot> {
    this.#assertOpen()
    return this.#parts.past.at(commit)
  }

  log(options: LogOptions = {}): AsyncIterable<LogEntry> {
    this.#assertOpen()
    return this.#parts.past.log(options)
  }

  async show(commit: string): Promise<ShownCommit> {
    this.#assertOpen()
    return this.#parts.past.show(commit)
  }

  diff(from: string, to: string, options: DiffOptions = {}): AsyncIterable<RecordChange> {
    this.#assertOpen()
    return this.#parts.past.diff(from, to, options)
  }

  changes(options: ChangesOptions = {}): AsyncIterable<FeedChange> {
    this.#assertOpen()
    return this.#parts.feed.changes(options)
  }

  cursor(): string {
    this.#assertOpen()
    return this.#parts.feed.cursor()
  }

  get refs(): Refs {
    return this.#parts.past.refs
  }

  conflicts(options: ConflictsOptions = {}): Conflicts {
    this.#assertOpen()
    const { store, repository, graph, changeLists: changes, node, configuration } = this.#parts
    const reservedContent: ReservedContent = (ref, value) => configuration.contentOf(ref, value)
    return new StoredConflicts({ store, repository, graph, changes, node, reservedContent }, options)
  }

  async status(): Promise<Status> {
    this.#assertOpen()
    const { branch, store, replicator } = this.#parts
    const { collections, conflicts, failure } = await readCounts(store)
    // Read in the turn that answers: a `main` from before a seal beside what is pending after it would tell of no moment.
    const { state } = branch
    return {
      schema: 'atoll/status/v1',
      node: this.node,
      name: this.name,
      cluster: this.cluster,
      main: state?.main,
      heads: state?.heads ?? [],
      collections,
      pending: store.pendingChanges,
      held: replicator?.heldCount ?? 0,
      conflicts,
      peers: this.peers(),
      addresses: replicator?.addresses() ?? [],
      ...describeState(this.#parts.statusParts, failure),
    }
  }

  peers(): PeerStatus[] {
    return this.#parts.replicator?.peers() ?? []
  }

  async synced(options: SyncedOptions = {}): Promise<{ main: CommitId; peers: NodeId[] }> {
    this.#assertOpen()
    const { history, branch, replicator, onChange } = this.#parts
    return waitUntilSynced({ history, branch, replicator, onChange }, options)
  }

  offline(): Promise<void> {
    return this.#connecting.run(async () => {
      this.#assertOpen()
      await this.#parts.settings.change({ offline: true })
      await this.#parts.replicator?.stop()
    })
  }

  online(): Promise<void> {
    return this.#connecting.run(async () => {
      this.#assertOpen()
      await this.#parts.replicator?.start()
      await this.#parts.settings.change({ offline: false })
    })
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    const { replicator, sealer, compactor, feed, store, history, release } = this.#parts
    try {
      feed.stop()
      await compactor.stop()
      await replicator?.stop()
      await sealer.stop()
      await store.stop()
      // What can be sealed is, so that the repository alone is complete; the journal keeps what cannot.
      if (history.hasBegun) await history.seal().catch(() => undefined)
    } finally {
      await release()
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}
