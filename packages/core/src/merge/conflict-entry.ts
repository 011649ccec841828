/**
 * A **conflict entry**, the record beside a record whose versions are concurrent: canonical JSON
 *
 *     {"contested":<boolean>,"reason":"<reason>","versions":[<commit id>, …]}
 *
 * at `objects/.atoll.conflicts.<kind>.<collection>/…/<id>.json`, with two or more commit ids, sorted and distinct.
 * `reason` is there only where the collection's own rule did not decide or is broken, which is always contested: see `MergeReason`.
 */
import { type AtollError, corrupt } from '../errors.ts'
import { isObjectId } from '../ids.ts'
import type { CommitId, RecordRef } from '../ids.ts'
import { canonicalJson, parseCanonicalJson } from '../json/index.ts'
import { conflictCollection, isMergeReason } from '../records.ts'
import type { ConflictEntry } from '../records.ts'
import { decodeUtf8, encodeUtf8 } from '../text.ts'

/** Where the conflict entry of a record is. */
export function conflictEntryRef({ kind, collection, id }: RecordRef): RecordRef {
  return { kind: 'objects', collection: conflictCollection(kind, collection), id }
}

export function encodeConflictEntry({ contested, reason, versions }: ConflictEntry): Uint8Array {
  const why = reason === undefined ? {} : { reason }
  return encodeUtf8(canonicalJson({ contested, ...why, versions: [...versions].sort() }))
}

/** @throws CORRUPT when the bytes are not of that form. */
export function decodeConflictEntry(bytes: Uint8Array): ConflictEntry {
  const value = readJson(bytes)
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    const { contested, reason, versions, ...others } = value
    if (typeof contested === 'boolean' && isSortedIds(versions) && Object.keys(others).length === 0) {
      if (reason === undefined) return { contested, versions }
      if (isMergeReason(reason) && contested) return { contested, reason, versions }
    }
  }
  throw malformed()
}

function readJson(bytes: Uint8Array): ReturnType<typeof parseCanonicalJson> {
  try {
    return parseCanonicalJson(decodeUtf8(bytes))
  } catch (cause) {
    throw malformed(cause)
  }
}

function isSortedIds(value: unknown): value is CommitId[] {
  return (
    Array.isArray(value) &&
    value.length >= 2 &&
    value.every((id: unknown, i) => typeof id === 'string' && isObjectId(id) && (i === 0 || value[i - 1] < id))
  )
}

function malformed(cause?: unknown): AtollError<'CORRUPT'> {
  return corrupt('repo.git', 'a conflict entry is malformed', { cause })
}
