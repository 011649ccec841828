/**
 * What travels between a node's door and this client. The shapes are those of the library (a test compares the types); they
 * stand here again so that a browser's bundle needs nothing but this package.
 */

/** Any JSON value. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }

export interface CallOptions {
  readonly signal?: AbortSignal
}

/** The outcome of a write: the record's id and version (its git blob id, the same on every node). */
export interface Written {
  readonly id: string
  readonly version: string
}

/** A record with its version. */
export interface Versioned<T> {
  readonly id: string
  readonly value: T
  readonly version: string
}

/** One change of a batch. */
export type BatchOperation =
  | { readonly op: 'put' | 'create' | 'update'; readonly object: string; readonly id: string; readonly value: unknown }
  | { readonly op: 'patch'; readonly object: string; readonly id: string; readonly patch: unknown }
  | { readonly op: 'delete'; readonly object: string; readonly id: string }
  | { readonly op: 'insert'; readonly list: string; readonly value: unknown }
  | { readonly op: 'restore'; readonly list: string; readonly id: string; readonly value: unknown }
  | { readonly op: 'delete'; readonly list: string; readonly id: string }

/** Settings of a collection. */
export interface CollectionSettings {
  readonly policy?: string
  readonly schema?: JsonValue
}

/** A member that is left out stays as it is; `null` takes it away. */
export interface SettingsChange {
  /** `fields`, `latest`, `keep` or `script:<name>`. */
  readonly policy?: string | null
  /** JSON Schema, draft 2020-12. */
  readonly schema?: JsonValue | null
}

export interface NodeInfo {
  readonly node: string
  readonly name: string
  readonly cluster: string | undefined
}

/** Names a collection: its kind and its name, which every handle has. */
export interface CollectionRef {
  readonly kind: 'objects' | 'lists'
  readonly name: string
}

/** What `drop` did. */
export interface Dropped {
  /** How many records it deleted. */
  readonly records: number
}

export interface CollectionInfo {
  readonly name: string
  readonly kind: 'objects' | 'lists'
  readonly records: number
}

export interface LogEntry {
  readonly commit: string
  readonly type: 'data' | 'merge' | 'root'
  readonly parents: readonly string[]
  readonly author: { readonly name: string; readonly node?: string }
  readonly time: Date
  readonly subject: string
  /** In the log of one record: what the commit did to it; a merge commit, beside its first parent. */
  readonly change?: RecordChange
}

/**
 * Which records history is asked about: one collection's, or one record. Everything of the users' when left out. A collection is
 * named by one of `object`, `list` and `collection`; the last one without `kind` is whatever has that name.
 */
export interface RecordScope {
  readonly object?: string
  readonly list?: string
  readonly collection?: string
  readonly kind?: 'objects' | 'lists'
  readonly id?: string
}

/** JSON or a `Uint8Array`. */
export interface StoredValue {
  readonly value: unknown
  readonly version: string
}

/** How one record differs between two states. */
export interface RecordChange {
  readonly kind: 'objects' | 'lists'
  readonly collection: string
  readonly id: string
  readonly op: 'put' | 'delete'
  readonly before: StoredValue | undefined
  readonly after: StoredValue | undefined
}

export interface NamedRef {
  readonly name: string
  readonly commit: string
}

/** One change of the feed; `cursor` is where to go on after it. */
export interface FeedChange {
  readonly cursor: string
  readonly kind: 'objects' | 'lists'
  readonly collection: string
  readonly id: string
  readonly op: 'put' | 'delete'
  readonly value: unknown
  readonly version: string | undefined
  readonly author: { readonly node: string; readonly name: string } | undefined
  readonly commit: string | undefined
  readonly origin: 'local' | 'remote'
}

/** One of the concurrent versions of a record. */
export interface ConflictVersion {
  readonly commit: string
  readonly author: { readonly name: string; readonly node: string }
  readonly time: Date
  readonly op: 'put' | 'delete'
  /** Undefined for a delete. */
  readonly value: unknown
  readonly version: string | undefined
}

/** See the library's. */
export type MergeReason =
  'schema' | 'schema-limits' | 'script-failed' | 'script-input' | 'script-limits' | 'script-missing' | 'script-result'

/** A record whose versions are concurrent, as it was found. */
export interface Conflict {
  readonly kind: 'objects' | 'lists'
  readonly collection: string
  readonly id: string
  /** Of the conflict itself: another one as soon as its versions are others. */
  readonly version: string
  /** Something that someone wrote had to give way. */
  readonly contested: boolean
  /** Why the collection's own rule did not decide, or is broken; missing where nothing of the kind happened. */
  readonly reason?: MergeReason
  /** Undefined: the record was not there before its versions parted. */
  readonly base: unknown
  /** Two or more, the earliest first. */
  readonly versions: readonly ConflictVersion[]
  /** What the record is meanwhile; undefined: it is not there. */
  readonly chosen: unknown
}

/** Names a record in conflict; with `version`, the conflict that was looked at. */
export interface ConflictTarget {
  /** Default `objects`. */
  readonly kind?: 'objects' | 'lists'
  readonly collection: string
  readonly id: string
  readonly version?: string
}

/** How a conflict ends. */
export type ConflictOutcome =
  | { readonly take: 'ours' | 'theirs' | 'chosen' }
  | { readonly commit: string }
  | { readonly value: unknown }
  | { readonly delete: true }

/** What a conflict was resolved to; `version` is undefined where the record was deleted. */
export interface ConflictResolved {
  readonly id: string
  readonly version: string | undefined
}

export interface CompactionSummary {
  readonly packsBefore: number
  readonly packsAfter: number
  /** Objects that were put together; 0 when there was nothing to do. */
  readonly objects: number
  readonly bytesBefore: number
  readonly bytesAfter: number
}

export type SyncState = 'synced' | 'syncing' | 'alone' | 'offline' | 'degraded'

export interface PeerStatus {
  readonly id: string | undefined
  readonly name: string | undefined
  readonly address: string
  readonly connected: boolean
  readonly main: string | undefined
  readonly behind: number
  readonly lastSync: string | undefined
  readonly error: string | undefined
}

export interface Status {
  readonly schema: 'atoll/status/v1'
  readonly node: string
  readonly name: string
  readonly cluster: string | undefined
  readonly main: string | undefined
  readonly heads: readonly string[]
  readonly collections: readonly CollectionInfo[]
  readonly pending: number
  readonly held: number
  readonly conflicts: number
  readonly peers: readonly PeerStatus[]
  readonly addresses: readonly string[]
  readonly state: SyncState
  readonly reason: string | undefined
  readonly next: string | undefined
}
