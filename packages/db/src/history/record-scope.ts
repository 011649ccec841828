import {
  type CollectionKind,
  type CollectionName,
  invalid,
  isAtollError,
  isReservedCollection,
  parseCollectionKind,
  parseListRecordId,
  parseRecordId,
  parseStoredCollectionName,
  type RecordId,
} from '@atolldb/core'
import type { RecordScope } from '../api/history.ts'

/** A collection, or one record of it. */
export interface ScopePart {
  readonly kind: CollectionKind
  readonly collection: CollectionName
  readonly id: RecordId | undefined
}

/** A scope that was checked: where no kind was said, the Object and the List of that name. Undefined is everything of the users'. */
export type CheckedScope = readonly ScopePart[]

/** @throws INVALID, TOO_LARGE */
export function checkScope({ object, list, kind, collection, id }: RecordScope): CheckedScope | undefined {
  const names = [object, list, collection].filter(name => name !== undefined)
  if (names.length > 1) throw invalid('scope', 'names more than one of object, list and collection')
  const [name] = names
  if (name === undefined) {
    if (id !== undefined || kind !== undefined)
      throw invalid('scope', 'names a record or a kind without its collection')
    return undefined
  }
  if (collection === undefined && kind !== undefined) throw invalid('scope', 'says a kind beside object or list')
  const parsed = parseStoredCollectionName(name)
  if (collection === undefined) return [scopePart(object === undefined ? 'lists' : 'objects', parsed, id)]
  if (kind !== undefined) return [scopePart(parseCollectionKind(kind), parsed, id)]
  const inObject = scopePart('objects', parsed, id)
  return isListId(id) ? [inObject, scopePart('lists', parsed, id)] : [inObject]
}

function scopePart(kind: CollectionKind, collection: CollectionName, id: string | undefined): ScopePart {
  if (id === undefined) return { kind, collection, id }
  return { kind, collection, id: kind === 'lists' ? parseListRecordId(id) : parseRecordId(id) }
}

/** Could a List have a record of that id? */
function isListId(id: string | undefined): boolean {
  if (id === undefined) return true
  try {
    parseListRecordId(id)
    return true
  } catch (error) {
    if (isAtollError(error, 'INVALID')) return false
    throw error
  }
}

/** Does it cover that collection? Atoll's own only where they are asked for by name. */
export function scopeHasCollection(
  scope: CheckedScope | undefined,
  kind: CollectionKind,
  collection: CollectionName,
): boolean {
  if (scope === undefined) return !isReservedCollection(collection)
  return scope.some(part => part.kind === kind && part.collection === collection)
}

export function scopeHasRecord(
  scope: CheckedScope | undefined,
  {
    kind,
    collection,
    id,
  }: { readonly kind: CollectionKind; readonly collection: CollectionName; readonly id: RecordId },
): boolean {
  if (scope === undefined) return scopeHasCollection(scope, kind, collection)
  return scope.some(
    part => part.kind === kind && part.collection === collection && (part.id === undefined || part.id === id),
  )
}
