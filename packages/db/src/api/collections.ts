import type { CollectionKind, JsonValue, ObjectId } from '@atolldb/core'

/** A range of ids, in the order of their UTF-8 bytes. It reads one consistent state: that of the moment it was asked for. */
export interface RangeOptions {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
  readonly limit?: number
  readonly signal?: AbortSignal
}

/** Names a collection: its kind and its name, which every handle of an Object or a List has. */
export interface CollectionRef {
  readonly kind: CollectionKind
  readonly name: string
}

/** What `drop` did. */
export interface Dropped {
  /** How many records it deleted. */
  readonly records: number
}

/** The outcome of a write: the record's id and version (its git blob id, the same on every node). */
export interface Written {
  readonly id: string
  readonly version: ObjectId
}

export interface WriteOptions {
  readonly signal?: AbortSignal
}

export interface ConditionalOptions extends WriteOptions {
  /** Only if the record's version is this one. @throws CONFLICT */
  readonly ifVersion?: string
}

/** A record with its version. */
export interface Versioned<T> {
  readonly id: string
  readonly value: T
  readonly version: ObjectId
}

/** One change of a collection, local or from a peer, in the order they became visible here. */
export interface Change<T> {
  readonly id: string
  readonly op: 'put' | 'delete'
  /** Undefined for a delete. */
  readonly value: T | undefined
  readonly version: ObjectId | undefined
  readonly origin: 'local' | 'remote'
}

/**
 * Reading records: of a collection as it is now, or in a snapshot as it was. Missing is `undefined`, never an error; values are
 * copies that you may change.
 */
export interface RecordReader<T> {
  readonly name: string
  get(id: string): Promise<T | undefined>
  getMany(ids: readonly string[]): Promise<(T | undefined)[]>
  has(id: string): Promise<boolean>
  /** The value with its version. */
  getRecord(id: string): Promise<Versioned<T> | undefined>
  count(): Promise<number>
  entries(range?: RangeOptions): AsyncIterable<[id: string, value: T]>
  /** Like `entries`, with versions. */
  records(range?: RangeOptions): AsyncIterable<Versioned<T>>
  /** Like `entries`, without values. */
  keys(range?: RangeOptions): AsyncIterable<string>
}

/** What Objects and Lists share. */
export interface ReadableCollection<T> extends RecordReader<T> {
  /**
   * Calls `visit` with each record of a range, one after the other, each awaited before the next: a loop over `entries`. Ends at the first
   * error, that of `visit` or of reading, and rejects with it. @throws INVALID (the range), ABORTED, what `visit` throws
   *
   * @example
   * await farms.forEach(async (farm, id) => index(id, farm), { gte: 'a', lt: 'n' })
   */
  forEach(visit: (value: T, id: string) => Promise<void> | void, range?: RangeOptions): Promise<void>
  /** Calls back for every change from now on. Returns the undo. */
  subscribe(listener: (change: Change<T>) => void): () => void
  /** Deletes; a missing record is fine. Resolves with whether there was one; durable when it resolves. */
  delete(id: string, options?: ConditionalOptions): Promise<boolean>
}

/**
 * Records with ids of your own: any string up to 512 bytes. A value is JSON, or a `Uint8Array`. Every write is durable when
 * it resolves, and rejects with INVALID or TOO_LARGE for an id or value outside the limits.
 */
export interface ObjectCollection<T = JsonValue> extends ReadableCollection<T> {
  readonly kind: 'objects'
  /** Creates or replaces. */
  put(id: string, value: T, options?: ConditionalOptions): Promise<Written>
  /** @throws EXISTS */
  create(id: string, value: T, options?: WriteOptions): Promise<Written>
  /** Replaces the whole value. @throws MISSING, CONFLICT */
  update(id: string, value: T, options?: ConditionalOptions): Promise<Written>
  /** Merges as RFC 7396 says: `null` removes a member. @throws MISSING, CONFLICT */
  patch(id: string, patch: unknown, options?: ConditionalOptions): Promise<Written>
}

/** Immutable records with ULIDs for ids: inserted and deleted, never updated. Values are JSON. */
export interface ListCollection<T = JsonValue> extends ReadableCollection<T> {
  readonly kind: 'lists'
  /** The new record's id. */
  insert(value: T, options?: WriteOptions): Promise<string>
  /** All or nothing, in order. */
  insertMany(values: readonly T[], options?: WriteOptions): Promise<string[]>
  /**
   * Puts a record back under the id that it had: one from an export, of another cluster, or deleted here. One that is there with
   * that value is left as it is. @throws EXISTS when it has another value, INVALID for an id that is no ULID
   */
  restore(id: string, value: T, options?: WriteOptions): Promise<void>
}

export interface TupleOptions {
  /** Records vanish this long after they were written. Milliseconds. */
  readonly ttl?: number
}

/** An Object that lives in this process's memory only. */
export interface TupleCollection<T = JsonValue> extends Omit<ObjectCollection<T>, 'kind'> {
  readonly kind: 'tuples'
}
