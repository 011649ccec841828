import { assert } from '../errors.ts'
import type { ObjectReader } from '../contracts/object-store.ts'
import { type CollectionKind, type ObjectId, type RecordId, ULID_LENGTH } from '../ids.ts'
import type { ContentFormat, StoredContent } from '../records.ts'
import { fromByteString } from '../text.ts'
import { misplaced } from './misplaced.ts'
import type { ByteString } from '../text.ts'

/**
 * A record as a leaf holds it: an Object by its blob's id, a line of a List by its bytes. An Object that is to be written may
 * have bytes too: its blob is written with its leaf.
 */
export interface LeafRecord {
  readonly key: ByteString
  readonly format: ContentFormat
  readonly version: ObjectId | undefined
  readonly bytes: Uint8Array | undefined
}

export function sameRecord(a: LeafRecord, b: LeafRecord): boolean {
  if (a.format !== b.format) return false
  if (a.version !== undefined && b.version !== undefined) return a.version === b.version
  return a.bytes !== undefined && b.bytes !== undefined && sameBytes(a.bytes, b.bytes)
}

/** A record's content as the outside sees it. */
export function toContent(reader: Pick<ObjectReader, 'blobId'>, record: LeafRecord): StoredContent {
  const { format, bytes } = record
  if (bytes === undefined) return { format, version: record.version! }
  return { format, version: record.version ?? reader.blobId(bytes), bytes }
}

/** A record as a leaf that is to be written holds it. */
export function toLeafRecord(kind: CollectionKind, key: ByteString, content: StoredContent): LeafRecord {
  const { format, version, bytes } = content
  if (kind === 'objects') return { key, format, version, bytes }
  assert(bytes !== undefined && format === 'json', 'a List record comes with its JSON')
  assert(key.length === ULID_LENGTH, 'the id of a List record is a ULID')
  return { key, format, version: undefined, bytes }
}

/** @throws REFUSED when the bytes are not UTF-8 */
export function keyToId(key: ByteString): RecordId {
  try {
    return fromByteString(key) as RecordId
  } catch (cause) {
    throw misplaced(`the name of a record is not UTF-8: ${String(cause)}`)
  }
}

function sameBytes(a: Uint8Array, b: Uint8Array): boolean {
  if (a.length !== b.length) return false
  for (let i = 0; i < a.length; i++) if (a[i] !== b[i]) return false
  return true
}
