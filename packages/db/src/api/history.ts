import type { CollectionKind, CommitId, JsonValue, NodeId, ObjectId } from '@atolldb/core'
import type { RecordReader } from './collections.ts'

/** An Object or a List as it was in one commit. */
export interface SnapshotCollection<T = JsonValue> extends RecordReader<T> {
  readonly kind: CollectionKind
  /** How many records there are; a snapshot has no counters, so it reads the ids of all of them. */
  count(): Promise<number>
}

/**
 * The database as it was in one commit, read from the git repository: it never changes, whatever is written meanwhile. A read
 * costs what it returns, times the depth of the tree.
 */
export interface Snapshot {
  readonly commit: CommitId
  /** Of its last change; of a merge commit, the latest of what it joins. */
  readonly time: Date
  /** Atoll's own collections (`.atoll.…`) can be read too. @throws INVALID for a bad name */
  object<T = JsonValue>(name: string): SnapshotCollection<T>
  /** @throws INVALID for a bad name */
  list<T = JsonValue>(name: string): SnapshotCollection<T>
  /** The users' collections that had records. */
  collections(): Promise<{ readonly name: string; readonly kind: CollectionKind }[]>
}

/**
 * Which records history is asked about: one collection's, or one record. Everything of the users' when left out. A collection is
 * named by one of `object`, `list` and `collection`; by the last of them as whatever tells of a record names it, so that a
 * {@link RecordChange}, a {@link FeedChange} or a conflict says what to ask about next.
 *
 * @example
 * for await (const { kind, collection, id } of db.conflicts())
 *   for await (const { author, change } of db.log({ kind, collection, id })) console.log(author.name, change)
 */
export interface RecordScope {
  /** The name of an Object. */
  readonly object?: string
  /** The name of a List. */
  readonly list?: string
  /** The name of an Object or a List, of what there is of that name where `kind` is left out. */
  readonly collection?: string
  /** Beside `collection`. */
  readonly kind?: CollectionKind
  /** One record of that collection. */
  readonly id?: string
}

/** A value as a commit has it: JSON, or a `Uint8Array`. */
export interface StoredValue {
  readonly value: unknown
  readonly version: ObjectId
}

/** How one record differs between two states. Where a write only settled a conflict, both sides are the same. */
export interface RecordChange {
  readonly kind: CollectionKind
  readonly collection: string
  readonly id: string
  readonly op: 'put' | 'delete'
  /** Undefined: there was no such record. */
  readonly before: StoredValue | undefined
  /** Undefined: there is none any more. */
  readonly after: StoredValue | undefined
}

export interface LogEntry {
  readonly commit: CommitId
  readonly type: 'data' | 'merge' | 'root'
  readonly parents: readonly CommitId[]
  /** A merge commit is made by nobody: it has no node. */
  readonly author: { readonly name: string; readonly node?: NodeId }
  readonly time: Date
  readonly subject: string
  /** In the log of one record: what the commit did to it; a merge commit, beside its first parent. */
  readonly change?: RecordChange
}

export interface LogOptions extends RecordScope {
  /** Newest first; all of them when left out. */
  readonly limit?: number
  /** Where to begin: any name of a commit. Default: `main`. */
  readonly from?: string
  readonly signal?: AbortSignal
}

/** One commit with what it changed. */
export interface ShownCommit extends LogEntry {
  /**
   * The records that differ from its parent; of a merge commit, those that differ from every one of its parents, beside the
   * first: what the merge itself decided.
   */
  readonly changes: AsyncIterable<RecordChange>
}

export interface DiffOptions extends RecordScope {
  readonly signal?: AbortSignal
}

/** A commit with the name that people gave it. */
export interface NamedRef {
  readonly name: string
  readonly commit: CommitId
}

/**
 * Names for commits, moved by compare-and-swap; local to this node. Git keeps what they name (`refs/atoll/refs/<name>`). A name
 * is words of letters, digits, `.`, `_` and `-`, with `/` between them; not `main`, and nothing that could be a commit's id.
 */
export interface Refs {
  /** Undefined when there is none. @throws INVALID */
  get(name: string): Promise<CommitId | undefined>
  /** Sorted by name. */
  list(): Promise<NamedRef[]>
  /**
   * Moves a ref to a commit (any name of one) if it names `previous`; without `previous`, or with forty zeros, it must not
   * exist. Durable when it resolves. @throws CONFLICT (nothing has moved), MISSING (no such commit), INVALID
   *
   * @example
   * await db.refs.update('harvest', (await db.flush()).commit)
   */
  update(name: string, next: string, previous?: string): Promise<NamedRef>
  /** Removes a ref if it names `previous`; durable when it resolves. @throws CONFLICT (nothing has changed), INVALID */
  delete(name: string, previous: string): Promise<void>
}

/** Who made a change. */
export interface FeedAuthor {
  readonly node: NodeId
  readonly name: string
}

/** One change of the feed. */
export interface FeedChange {
  /** Where to go on after this one: `changes({ since: cursor })`. Opaque; of this node alone. */
  readonly cursor: string
  readonly kind: CollectionKind
  readonly collection: string
  readonly id: string
  readonly op: 'put' | 'delete'
  /** JSON or a `Uint8Array`; undefined for a delete. */
  readonly value: unknown
  readonly version: ObjectId | undefined
  /** Of a merged value: the latest of those whose changes came in. Undefined in a state that was there before the feed began. */
  readonly author: FeedAuthor | undefined
  /** The author's commit; undefined while the change waits to be sealed, and where a write undid another before they were. */
  readonly commit: CommitId | undefined
  readonly origin: 'local' | 'remote'
}

export interface ChangesOptions extends RecordScope {
  /** The cursor of the last change that was dealt with; `'0'` for everything there is. Default: from now on. */
  readonly since?: string
  /** Wait for changes to come; else the feed ends when it has told what there is. Default true. */
  readonly live?: boolean
  /**
   * Called with a cursor whenever all there is was told and the next change is asked for, also where nothing of the scope was
   * among it: kept, it spares a reader of a quiet scope what the others did meanwhile.
   */
  readonly onReached?: (cursor: string) => void
  readonly signal?: AbortSignal
}
