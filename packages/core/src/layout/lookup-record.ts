import type { ObjectReader } from '../contracts/object-store.ts'
import type { ObjectId, RecordRef } from '../ids.ts'
import type { StoredContent } from '../records.ts'
import { type ByteString, toByteString } from '../text.ts'
import { findCollectionRoot } from './collection-roots.ts'
import { toContent, type LeafRecord } from './leaf-record.ts'
import { loadNode, subtreeAt } from './node.ts'

/** One record of a state; a List record comes with its bytes. Reads the nodes on its path. */
export async function lookupRecord(
  reader: ObjectReader,
  root: ObjectId | undefined,
  ref: RecordRef,
): Promise<StoredContent | undefined> {
  const collectionRoot = await findCollectionRoot(reader, root, ref.kind, ref.collection)
  if (collectionRoot === undefined) return undefined
  const key = toByteString(ref.id)
  let node = await loadNode(reader, ref.kind, subtreeAt(collectionRoot))
  while (node.type === 'inner') {
    if (!key.startsWith(node.prefix)) return undefined
    if (key.length === node.prefix.length) return node.own && toContent(reader, node.own)
    const child = node.children.get(key.charAt(node.prefix.length))
    if (child === undefined) return undefined
    node = await loadNode(reader, ref.kind, child)
  }
  const record = findRecord(node.records, key)
  return record && toContent(reader, record)
}

function findRecord(records: readonly LeafRecord[], key: ByteString): LeafRecord | undefined {
  let low = 0
  let high = records.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (records[middle]!.key < key) low = middle + 1
    else high = middle
  }
  return records[low]?.key === key ? records[low] : undefined
}
