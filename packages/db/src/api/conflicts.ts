import type { CollectionKind, CommitId, MergeReason, NodeId, ObjectId } from '@atolldb/core'
import type { WriteOptions } from './collections.ts'

export type { MergeReason } from '@atolldb/core'

/** One of the concurrent versions of a record: what a node wrote without having seen the others. */
export interface ConflictVersion {
  /** The commit that wrote it; `db.at(commit)` is everything as its writer saw it. */
  readonly commit: CommitId
  readonly author: { readonly name: string; readonly node: NodeId }
  readonly time: Date
  readonly op: 'put' | 'delete'
  /** Undefined for a delete. */
  readonly value: unknown
  readonly version: ObjectId | undefined
}

/** A record whose versions are concurrent, as it was found. */
export interface Conflict {
  readonly kind: CollectionKind
  readonly collection: string
  readonly id: string
  /** Of the conflict itself: another one as soon as its versions are others. `resolve` compares it. */
  readonly version: ObjectId
  /** Something that someone wrote had to give way; false: all of it was merged. */
  readonly contested: boolean
  /**
   * Why the collection's own rule did not decide, or is broken: the merge script is missing, failed, went beyond its limits,
   * returned what is no value, or would have had to read bytes, so that `fields` or `latest` decided; or the merged value breaks the
   * `schema`. Missing where nothing of the kind happened.
   */
  readonly reason?: MergeReason
  /** What the record was before its versions parted; undefined: it was not there. */
  readonly base: unknown
  /** Two or more, the earliest first. */
  readonly versions: readonly ConflictVersion[]
  /** What the record is meanwhile: the outcome of its collection's policy; undefined: it is not there. */
  readonly chosen: unknown
}

/**
 * Names a record in conflict; with `version`, the conflict that was looked at. A {@link Conflict} names itself. Settings of a
 * collection are the record `objects/farms` or `lists/readings` of the Object `.atoll.collections`, a script is that of its name
 * in `.atoll.scripts`.
 */
export interface ConflictTarget {
  /** Default `objects`. */
  readonly kind?: CollectionKind
  readonly collection: string
  readonly id: string
  readonly version?: string
}

/**
 * How a conflict ends. `ours` is the latest of the versions that this node wrote; `theirs` is the other one where there are two,
 * and one of them is ours; `chosen` is what the record is meanwhile. A commit names the version that it wrote. A value for
 * settings is all of them, for a script its source.
 */
export type ConflictOutcome =
  | { readonly take: 'ours' | 'theirs' | 'chosen' }
  | { readonly commit: string }
  | { readonly value: unknown }
  | { readonly delete: true }

export interface ConflictsOptions {
  /** Of collections with that name. */
  readonly collection?: string
  /** Of collections of that kind. */
  readonly kind?: CollectionKind
  /** Also those that were merged without loss. */
  readonly all?: boolean
  readonly signal?: AbortSignal
}

/** What a conflict was resolved to; `version` is undefined where the record was deleted. */
export interface ConflictResolved {
  readonly id: string
  readonly version: ObjectId | undefined
}

/**
 * The records in conflict of this moment, by collection and id. One is gone as soon as a write that saw it settles it, be it
 * `resolve`, `put` or `delete`, here or on another node.
 *
 * @example
 * for await (const conflict of db.conflicts())
 *   await db.conflicts().resolve(conflict, { take: 'theirs' })
 */
export interface Conflicts extends AsyncIterable<Conflict> {
  /** The conflict of one record, contested or not; undefined when it is in none. @throws INVALID */
  get(target: ConflictTarget): Promise<Conflict | undefined>
  /**
   * Settles the conflict with a write that supersedes all its versions, also where the value stays; durable when it resolves.
   *
   * @throws MISSING when the record is in no conflict, CONFLICT when the one that was looked at is another one by now or gone,
   * INVALID when there is no such version, UNSUPPORTED for another value of a List record, TOO_LARGE; for a value of settings or
   * a script also what `configure` and `scripts.put` throw
   */
  resolve(target: ConflictTarget, outcome: ConflictOutcome, options?: WriteOptions): Promise<ConflictResolved>
}
