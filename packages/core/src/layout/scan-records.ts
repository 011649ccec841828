import type { ObjectReader } from '../contracts/object-store.ts'
import type { CollectionKind, CollectionName, ObjectId, RecordId } from '../ids.ts'
import type { StoredContent } from '../records.ts'
import { type ByteString, toByteString } from '../text.ts'
import { findCollectionRoot, KINDS, readCollectionRoots } from './collection-roots.ts'
import { keyToId, toContent, type LeafRecord } from './leaf-record.ts'
import { type NodeRef, readNode } from './node.ts'

/** Bounds on ids, by their UTF-8 bytes; where two of a side are given, the tighter one counts. */
export interface ScanRange {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
  readonly limit?: number
}

export interface ScannedRecord {
  readonly id: RecordId
  readonly content: StoredContent
}

/** The records of a range, in order, a leaf at a time; reads only what lies in the range. */
export async function* scanRecords(
  reader: ObjectReader,
  root: ObjectId | undefined,
  kind: CollectionKind,
  collection: CollectionName,
  range: ScanRange = {},
): AsyncGenerator<readonly ScannedRecord[]> {
  const collectionRoot = await findCollectionRoot(reader, root, kind, collection)
  if (collectionRoot === undefined) return
  let left = range.limit ?? Infinity
  for await (const records of scanNode(reader, kind, collectionRoot, new KeyRange(range))) {
    if (left <= 0) return
    const wanted = records.slice(0, left)
    left -= wanted.length
    yield wanted.map(record => ({ id: keyToId(record.key), content: toContent(reader, record) }))
    if (left <= 0) return
  }
}

/** Every collection that has records. */
export async function listCollections(
  reader: ObjectReader,
  root: ObjectId | undefined,
): Promise<{ kind: CollectionKind; collection: CollectionName }[]> {
  const found: { kind: CollectionKind; collection: CollectionName }[] = []
  for (const kind of KINDS)
    for (const collection of (await readCollectionRoots(reader, root, kind)).keys()) found.push({ kind, collection })
  return found
}

async function* scanNode(
  reader: ObjectReader,
  kind: CollectionKind,
  ref: NodeRef,
  range: KeyRange,
): AsyncGenerator<LeafRecord[]> {
  const node = await readNode(reader, kind, ref)
  if (node.type === 'leaf') {
    const records = node.records.filter(record => range.has(record.key))
    if (records.length > 0) yield range.reverse ? records.reverse() : records
    return
  }
  const own = node.own !== undefined && range.has(node.own.key) ? [node.own] : []
  if (!range.reverse && own.length > 0) yield own
  const children = [...node.children]
  for (const [byte, child] of range.reverse ? children.reverse() : children)
    if (range.mayHave(node.prefix + byte)) yield* scanNode(reader, kind, child.ref!, range)
  if (range.reverse && own.length > 0) yield own
}

class KeyRange {
  readonly reverse: boolean
  readonly #low: ByteString
  readonly #lowIncluded: boolean
  readonly #high: ByteString | undefined
  readonly #highIncluded: boolean

  constructor({ gt, gte, lt, lte, reverse }: ScanRange) {
    const keyOf = (id: string | undefined): ByteString | undefined => (id === undefined ? undefined : toByteString(id))
    const [above, from, below, upTo] = [keyOf(gt), keyOf(gte), keyOf(lt), keyOf(lte)]
    this.reverse = reverse ?? false
    this.#lowIncluded = above === undefined || (from !== undefined && from > above)
    this.#low = (this.#lowIncluded ? from : above) ?? ''
    this.#highIncluded = below === undefined || (upTo !== undefined && upTo < below)
    this.#high = this.#highIncluded ? upTo : below
  }

  has(key: ByteString): boolean {
    if (this.#lowIncluded ? key < this.#low : key <= this.#low) return false
    if (this.#high === undefined) return true
    return this.#highIncluded ? key <= this.#high : key < this.#high
  }

  /** May a key with this prefix be in the range? */
  mayHave(prefix: ByteString): boolean {
    if (prefix < this.#low && !this.#low.startsWith(prefix)) return false
    return this.#high === undefined || prefix <= this.#high
  }
}
