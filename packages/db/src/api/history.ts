import type { CollectionKind, CommitId, JsonValue } from '@atolldb/core'
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
