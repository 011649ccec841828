import { assert } from '../errors.ts'
import type { ObjectReader } from '../contracts/object-store.ts'
import type { CollectionKind, RecordId } from '../ids.ts'
import type { StoredContent } from '../records.ts'
import { fromByteString } from '../text.ts'
import { ULID_LENGTH } from './list-leaf.ts'
import { misplaced } from './misplaced.ts'
import type { LeafRecord } from './node.ts'
import type { ByteString } from '../text.ts'

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
