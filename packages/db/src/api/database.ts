import type { CommitId, Environment, JsonValue, NodeId, Transport } from '@atolldb/core'
import type { CompactionSummary } from '@atolldb/git'
import type { Conflicts, ConflictsOptions } from './conflicts.ts'
import type {
  CollectionRef,
  Dropped,
  ListCollection,
  ObjectCollection,
  TupleCollection,
  TupleOptions,
  WriteOptions,
} from './collections.ts'
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
} from './history.ts'
import type { CollectionConfiguration } from './settings.ts'
import type { CacheCounts, CacheLimit } from './cache.ts'
import type { CollectionInfo, PeerStatus, Status } from './status.ts'

/** What {@link Database} methods that wait accept. */
export interface WaitOptions {
  readonly signal?: AbortSignal
}

/** When a write is acknowledged: once it survives power loss (`sync`), or once the operating system has it (`os`: survives SIGKILL). */
export type Durability = 'sync' | 'os'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Receives what happens inside a node; nothing is ever printed by the library itself. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void

export interface OpenOptions {
  /** What people call this node; in commits and status. Default: the name it was opened with before, else the host's name. */
  readonly name?: string
  /** Multiaddrs to listen on, e.g. `/ip4/0.0.0.0/tcp/0`. Without `listen` and `bootstrap` the node has no network. */
  readonly listen?: readonly string[]
  /** Multiaddrs of nodes to join by; one is enough. Tried for ever, with back-off. */
  readonly bootstrap?: readonly string[]
  /** Where `listen` or `bootstrap` is left out, take what the node was last opened with; peers once met are dialled anyhow. */
  readonly resume?: boolean
  /** Root commit id of the cluster to belong to. Default: the one it belonged to; else with `bootstrap` learnt at first contact, else a new one. */
  readonly cluster?: string
  readonly durability?: Durability
  /** `memory` keeps the node's data in memory only; the directory is not touched. */
  readonly storage?: 'disk' | 'memory'
  /**
   * How much is kept at hand of the Object and List records that are asked for most, in entries or in bytes of memory. Default
   * 16 MiB; 0 entries for none.
   */
  readonly cache?: CacheLimit
  readonly seal?: {
    /** Under a stream of writes a commit is made at most this often. Milliseconds, default 1,000. */
    readonly maxDelayMs?: number
  }
  /** How long to wait for another process to let go of the directory before LOCKED. Milliseconds, default 1,000. */
  readonly lockWaitMs?: number
  readonly log?: Log
  /** For tests: another network, another clock. */
  readonly transport?: Transport
  readonly environment?: Environment
}

/** One change of a batch, as {@link Transaction} collects them. */
export interface Transaction {
  object<T = JsonValue>(name: string): TransactionObject<T>
  list<T = JsonValue>(name: string): TransactionList<T>
}

/** Reads see the transaction's own writes; everything lands in one commit, or nothing does. */
export interface TransactionObject<T> {
  get(id: string): Promise<T | undefined>
  put(id: string, value: T): void
  /** @throws EXISTS */
  create(id: string, value: T): Promise<void>
  /** @throws MISSING */
  update(id: string, value: T): Promise<void>
  /** @throws MISSING */
  patch(id: string, patch: unknown): Promise<void>
  delete(id: string): void
}

export interface TransactionList<T> {
  get(id: string): Promise<T | undefined>
  /** The new record's id. */
  insert(value: T): string
  /** As a List's `restore`. @throws EXISTS */
  restore(id: string, value: T): Promise<void>
  delete(id: string): void
}

export interface SyncedOptions extends WaitOptions {
  /** How many other nodes must hold the same `main`. Default 1. */
  readonly peers?: number
  /** Milliseconds, default 30,000. */
  readonly timeout?: number
}

export interface CompactOptions extends WaitOptions {
  /** Objects that were put together, of so many. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
}

/**
 * A node: its collections, its place in the cluster, its history. Made by `open`.
 */
export interface Database extends CollectionConfiguration, AsyncDisposable {
  readonly node: NodeId
  readonly name: string
  /** Undefined until a node that joins by bootstrap met its cluster. */
  readonly cluster: CommitId | undefined

  /** A collection of records with ids of your own. @throws INVALID for a bad name */
  object<T = JsonValue>(name: string): ObjectCollection<T>
  /** A collection of immutable records; ids are ULIDs. @throws INVALID for a bad name */
  list<T = JsonValue>(name: string): ListCollection<T>
  /** A collection in the memory of this process only. @throws INVALID for a bad name */
  tuple<T = JsonValue>(name: string, options?: TupleOptions): TupleCollection<T>
  collections(): Promise<CollectionInfo[]>
  /**
   * Deletes all records of an Object or a List, settles their conflicts, and takes away the settings; resolves with how many
   * records it deleted, once that is durable. A collection that is not there is fine; a dropped one may be used again. History
   * keeps everything.
   *
   * It deletes what there is at the moment of the call. What is inserted or changed meanwhile stays, whether here or on another
   * node; there it is an edit against a delete, for the collection's policy to merge. A large collection goes in batches of 1,000
   * records: a drop that ends early, by a crash or ABORTED, has deleted some, and can be called again.
   *
   * @throws INVALID (a name, a kind that is none, a Tuple), ABORTED, STORAGE_FULL, STORAGE_FAILED, CLOSED
   * @example
   * const { records } = await db.drop(db.object('farms')) // or { kind: 'objects', name: 'farms' }
   */
  drop(collection: CollectionRef, options?: WriteOptions): Promise<Dropped>
  /** What the cache of records did since the start, and holds. */
  cacheCounts(): CacheCounts

  /**
   * All or nothing, one commit; durable when it resolves. Rejects with CONFLICT when something it read was changed meanwhile
   * by another, with TOO_LARGE beyond 10,000 changes or 16 MiB, and with whatever the function throws (then nothing happens).
   */
  batch<R>(work: (tx: Transaction) => Promise<R> | R): Promise<R>

  /** Seals what is pending and waits until it is durable in the repository. @throws NO_CLUSTER */
  flush(): Promise<{ commit: CommitId }>

  /**
   * Puts the packs of the repository into one, compressed as well as possible; a node does so by itself bit by bit. Reads and
   * writes go on. @throws ABORTED (nothing has changed), CORRUPT (a pack, which is left out
   * from then on), STORAGE_FULL, STORAGE_FAILED, CLOSED
   */
  compact(options?: CompactOptions): Promise<CompactionSummary>

  /**
   * The database as it was in a commit: `main`, an id or the beginning of one (four digits or more), the name of a ref, or a
   * moment such as `@{2026-03-01T12:00Z}` or `@{2 hours ago}`: all that was written by then, by the clocks of those who wrote
   * it, merged where they wrote apart. What is not sealed yet is in no commit: `flush` first, if that matters.
   * @throws MISSING, INVALID (ambiguous, or no name), NO_CLUSTER; for a moment whose merge has to be made, STORAGE_FULL,
   * STORAGE_FAILED
   *
   * @example
   * const { commit } = await db.flush()
   * const then = await db.at(commit)
   * await then.object('farms').get('north')
   */
  at(commit: string): Promise<Snapshot>

  /**
   * Commits from `main` back, newest first: all of them, or those that changed a collection or a record. The latest entry of a
   * record's log (`limit: 1`) says who wrote it last. @throws INVALID, MISSING (`from`)
   *
   * @example
   * for await (const { author, change } of db.log({ object: 'farms', id: 'north' })) console.log(author.name, change?.after?.value)
   */
  log(options?: LogOptions): AsyncIterable<LogEntry>
  /** One commit, by any name, and the records it changed, with their values before and after. @throws as `at` */
  show(commit: string): Promise<ShownCommit>
  /** The records that differ between two commits, by any names. Costs what differs. @throws as `at` */
  diff(from: string, to: string, options?: DiffOptions): AsyncIterable<RecordChange>
  /**
   * Every change, local and merged, in the order in which they became visible here. After a change's `cursor` nothing is
   * missed, over restarts and crashes too. What is read later is told commit by commit: of several writes to a record within
   * one commit only the last, while those who read along may see the ones between. A change is told again where a reader
   * stopped in the middle of a batch, or among writes that were not sealed yet when it stopped or the node did. Rejects with
   * MISSING for a cursor that this node does not know any more, ABORTED, CLOSED. @throws INVALID
   *
   * @example
   * for await (const change of db.changes({ since: saved })) {
   *   await index(change)
   *   saved = change.cursor
   * }
   */
  changes(options?: ChangesOptions): AsyncIterable<FeedChange>
  /** The cursor of this moment: take it, read what there is, then follow `changes({ since: cursor })`. */
  cursor(): string
  /** Names for commits. */
  readonly refs: Refs

  /**
   * The records in conflict whose policy had to drop something that someone wrote, to go through, to look at and to settle.
   *
   * @example
   * for await (const { collection, id, base, versions, chosen } of db.conflicts()) …
   * await db.conflicts().resolve({ collection: 'farms', id: 'north' }, { take: 'ours' })
   */
  conflicts(options?: ConflictsOptions): Conflicts

  status(): Promise<Status>
  peers(): PeerStatus[]
  /**
   * Seals what is pending, and resolves when that many peers, asked for it, hold the same `main` as we do.
   * @throws TIMEOUT, ABORTED, NO_CLUSTER
   */
  synced(options?: SyncedOptions): Promise<{ main: CommitId; peers: NodeId[] }>
  /** Closes listener and connections, and stays so over restarts, until `online`. Everything local goes on. */
  offline(): Promise<void>
  online(): Promise<void>

  /** Ends background work and releases the directory. Idempotent; what was acknowledged stays. */
  close(): Promise<void>
}
