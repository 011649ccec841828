import type { Stamp } from '../commits/stamp.ts'
import type { CommitId, ObjectId, RecordRef } from '../ids.ts'
import type { MergeReason, StoredContent } from '../records.ts'

/** One of the concurrent versions of a record. */
export interface Version {
  readonly commit: CommitId
  readonly stamp: Stamp
  /** Undefined: the version is a delete. */
  readonly content: StoredContent | undefined
}

/** A change that led to the versions. */
export interface HistoricChange {
  readonly stamp: Stamp
  readonly before: StoredContent | undefined
  readonly after: StoredContent | undefined
  /** The versions that are this change or descend from it: bit `i` stands for `versions[i]`. */
  readonly heirs: bigint
}

/**
 * What led to the versions, as far as it matters: the changes after the last point that all of them have seen, and the
 * record's value at that point. (A cut of the record's changes such that each change above it descends from each below;
 * of all such cuts below the versions the highest.)
 */
export interface RecordHistory {
  readonly base: StoredContent | undefined
  /** In the order of their stamps. */
  readonly changes: readonly HistoricChange[]
}

export interface PolicyInput {
  readonly ref: RecordRef
  /** Two or more, in the order of their stamps. */
  readonly versions: readonly Version[]
  /** Costs a walk through the commits; ask only when it is needed. */
  history(): Promise<RecordHistory>
  /** What the record was before the versions parted: the latest change that all of them have seen. */
  commonValue(): Promise<StoredContent | undefined>
  read(content: StoredContent): Promise<Uint8Array>
  /** The version that an Object with these bytes has. */
  versionOf(bytes: Uint8Array): ObjectId
  /** Called every now and then in long work, so that others get their turn. */
  readonly breathe?: (() => Promise<void>) | undefined
}

export interface PolicyOutcome {
  /** The record's value; undefined: it is absent. */
  readonly content: StoredContent | undefined
  /** Something that someone wrote had to be dropped. */
  readonly contested: boolean
  /** Why the collection's own rule did not decide, or is broken by what was decided. */
  readonly reason?: MergeReason
}

/** Gives a record with concurrent versions its value: a pure function of the versions and the history that led to them. */
export type Policy = (input: PolicyInput) => Promise<PolicyOutcome>
