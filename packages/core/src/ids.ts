import { AtollError, invalid } from './errors.ts'
import { MAX_COLLECTION_NAME_LENGTH, MAX_ID_BYTES } from './limits.ts'
import { isWellFormed, utf8Length } from './text.ts'

/**
 * Branded ids: minted only by the parser that checked them, so that a function which takes one need not check again.
 */
declare const brand: unique symbol
declare const commitBrand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** A git object id: 40 lower-case hexadecimal digits (SHA-1). */
export type ObjectId = Branded<'ObjectId'>
/** The object id of a commit. */
export type CommitId = ObjectId & { readonly [commitBrand]: true }
/** A libp2p peer id of an Ed25519 key (base58btc of its identity multihash, `12D3Koo…`): it contains the public key. */
export type NodeId = Branded<'NodeId'>
/** A checked collection name. */
export type CollectionName = Branded<'CollectionName'>
/** A checked record id: a well-formed string of 0 to 512 UTF-8 bytes. */
export type RecordId = Branded<'RecordId'>
/** A ULID in lower case: the id of a List record. */
export type ListRecordId = RecordId

/** The kinds of collection that have a place in the repository; the word is the first segment of their paths. */
export type CollectionKind = 'objects' | 'lists'

/** @throws INVALID */
export function parseCollectionKind(kind: unknown): CollectionKind {
  if (kind !== 'objects' && kind !== 'lists') throw invalid('kind', 'must be objects or lists')
  return kind
}

const objectIdPattern = /^[0-9a-f]{40}$/
const collectionNamePattern = /^[a-z0-9][a-z0-9._-]*$/
const reservedNamePattern = /^\.atoll\.[a-z0-9._-]+$/
/** Characters of a ULID. */
export const ULID_LENGTH = 26
const ulidPattern = /^[0-7][0-9a-hjkmnp-tv-z]{25}$/
const nodeIdPattern = /^12D3Koo[1-9A-HJ-NP-Za-km-z]{45}$/

export function isObjectId(text: string): text is ObjectId {
  return objectIdPattern.test(text)
}

/** @throws INVALID */
export function parseObjectId(text: string): ObjectId {
  if (!isObjectId(text)) throw invalid('object id', `${JSON.stringify(text.slice(0, 64))} is not 40 hexadecimal digits`)
  return text
}

/** @throws INVALID */
export function parseCommitId(text: string): CommitId {
  if (!isObjectId(text)) throw invalid('commit id', `${JSON.stringify(text.slice(0, 64))} is not 40 hexadecimal digits`)
  return text as CommitId
}

/** @throws INVALID when it does not look like the peer id of an Ed25519 key. */
export function parseNodeId(text: string): NodeId {
  if (!nodeIdPattern.test(text))
    throw invalid('node id', `${JSON.stringify(text.slice(0, 64))} is not an Ed25519 peer id`)
  return text as NodeId
}

const reservedPrefix = '.atoll.'

/** Is it the name of one of Atoll's own collections? Users read them, and never write to them as such. */
export function isReservedCollection(name: string): boolean {
  return name.startsWith(reservedPrefix)
}

/** The name of a user's collection. @throws INVALID */
export function parseCollectionName(text: unknown): CollectionName {
  if (typeof text !== 'string') throw invalid('collection name', 'must be a string')
  if (text.length > MAX_COLLECTION_NAME_LENGTH)
    throw invalid('collection name', `longer than ${MAX_COLLECTION_NAME_LENGTH} characters`)
  if (isReservedCollection(text))
    throw invalid('collection name', `names that start with ${reservedPrefix} are reserved`)
  if (!collectionNamePattern.test(text))
    throw invalid('collection name', `${JSON.stringify(text)} must match [a-z0-9][a-z0-9._-]{0,63}`)
  return text as CollectionName
}

/** The name of any collection in a tree, Atoll's own (`.atoll.…`) included. @throws INVALID */
export function parseStoredCollectionName(text: string): CollectionName {
  // `.atoll.conflicts.objects.` goes before the name of a collection.
  if (text.length <= MAX_COLLECTION_NAME_LENGTH + 32 && reservedNamePattern.test(text)) return text as CollectionName
  return parseCollectionName(text)
}

/** @throws INVALID, TOO_LARGE */
export function parseRecordId(text: unknown): RecordId {
  if (typeof text !== 'string') throw invalid('record id', 'must be a string')
  // A UTF-16 unit is at most 3 bytes of UTF-8, so short ids need no counting.
  if (text.length * 3 > MAX_ID_BYTES) {
    const bytes = utf8Length(text)
    if (bytes > MAX_ID_BYTES)
      throw new AtollError('TOO_LARGE', `record id: ${bytes} bytes, at most ${MAX_ID_BYTES}`, {
        what: 'record id',
        limit: MAX_ID_BYTES,
        actual: bytes,
      })
  }
  if (!isWellFormed(text)) throw invalid('record id', 'has a lone surrogate')
  return text as RecordId
}

/** A List's record id in either case; lower case comes back. @throws INVALID */
export function parseListRecordId(text: unknown): ListRecordId {
  if (typeof text !== 'string') throw invalid('list record id', 'must be a string')
  const lower = text.toLowerCase()
  if (!ulidPattern.test(lower)) throw invalid('list record id', `${JSON.stringify(text.slice(0, 64))} is not a ULID`)
  return lower as ListRecordId
}

/** Where a record is: `objects/farms/north` in words. */
export interface RecordRef {
  readonly kind: CollectionKind
  readonly collection: CollectionName
  readonly id: RecordId
}

/** One string per record, fit for a Map: no two records share one, since collection names have no NUL. */
export type RecordKey = Branded<'RecordKey'>

export function recordKey(ref: RecordRef): RecordKey {
  return `${ref.kind}\0${ref.collection}\0${ref.id}` as RecordKey
}
