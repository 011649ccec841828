import type { CollectionKind, CollectionName, CommitId, ObjectId, RecordRef } from './ids.ts'

/** Any JSON value. */
export type JsonValue = string | number | boolean | null | JsonValue[] | { [key: string]: JsonValue }

/** How a record is stored: canonical JSON text, or raw bytes (Objects only). */
export type ContentFormat = 'json' | 'bytes'

/** What a record holds, named by the id of its blob, which is its version. */
export interface RecordVersion {
  readonly format: ContentFormat
  /** The git blob id of the content's bytes; of a List record, of the canonical JSON of its value. */
  readonly version: ObjectId
}

/** Is it the same, or absent, in both places? */
export function sameContent(a: RecordVersion | undefined, b: RecordVersion | undefined): boolean {
  return a?.version === b?.version && a?.format === b?.format
}

/** A record's content with its bytes: canonical JSON (RFC 8785, no newline) or raw. */
export interface RecordContent extends RecordVersion {
  readonly bytes: Uint8Array
}

/**
 * A record's content as a tree gives or takes it. Bytes may be left out for an Object whose blob the store already has;
 * a List record always carries them, since its line is part of a larger blob.
 */
export interface StoredContent extends RecordVersion {
  readonly bytes?: Uint8Array
}

/** What to do to one record; `content` undefined is a delete. */
export interface RecordEdit extends RecordRef {
  readonly content: StoredContent | undefined
}

/** How one record differs between two states. */
export interface RecordDifference extends RecordRef {
  readonly before: StoredContent | undefined
  readonly after: StoredContent | undefined
}

/**
 * Why a merge is contested whatever its versions: the merge script is missing, failed, went beyond its limits, returned what
 * is no value or would have had to read bytes, so that `fields` or `latest` decided; or the merged value breaks the schema, or
 * takes more steps to check than a schema may.
 */
export type MergeReason = (typeof mergeReasons)[number]

const mergeReasons = [
  'schema',
  'schema-limits',
  'script-failed',
  'script-input',
  'script-limits',
  'script-missing',
  'script-result',
] as const

export function isMergeReason(value: unknown): value is MergeReason {
  return mergeReasons.some(reason => reason === value)
}

/** The entry of a record whose versions are concurrent; lives at `objects/.atoll.conflicts.<kind>.<collection>/…`. */
export interface ConflictEntry {
  /** The policy had to drop something that someone wrote. */
  readonly contested: boolean
  /** Why the collection's own rule did not decide, or is broken by what was decided. */
  readonly reason?: MergeReason
  /** Commit ids of the concurrent versions, sorted. */
  readonly versions: readonly CommitId[]
}

const conflictPrefix = '.atoll.conflicts.'

/** The collection that holds the conflict entries of a collection. */
export function conflictCollection(kind: CollectionKind, collection: CollectionName): CollectionName {
  return `${conflictPrefix}${kind}.${collection}` as CollectionName
}

/** Is it one that holds conflict entries, and nothing else? */
export function isConflictCollection(collection: string): boolean {
  return collection.startsWith(conflictPrefix)
}

/** The record that a conflict entry is about, or undefined when the ref is not one. */
export function conflictSubject(ref: RecordRef): RecordRef | undefined {
  if (ref.kind !== 'objects' || !isConflictCollection(ref.collection)) return undefined
  const rest = ref.collection.slice(conflictPrefix.length)
  for (const kind of ['objects', 'lists'] as const)
    if (rest.startsWith(`${kind}.`))
      return { kind, collection: rest.slice(kind.length + 1) as CollectionName, id: ref.id }
  return undefined
}
