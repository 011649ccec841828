import {
  type CollectionKind,
  type CollectionName,
  invalid,
  parseListRecordId,
  parseRecordId,
  parseStoredCollectionName,
  type RecordId,
} from '@atolldb/core'
import type { RecordScope } from '../api/history.ts'

/** A scope that was checked; undefined is everything of the users'. */
export interface CheckedScope {
  readonly kind: CollectionKind
  readonly collection: CollectionName
  readonly id: RecordId | undefined
}

/** @throws INVALID, TOO_LARGE */
export function checkScope({ object, list, id }: RecordScope): CheckedScope | undefined {
  if (object !== undefined && list !== undefined) throw invalid('scope', 'names an Object and a List')
  const name = object ?? list
  if (name === undefined) {
    if (id !== undefined) throw invalid('scope', 'names a record without its collection')
    return undefined
  }
  const kind = object === undefined ? 'lists' : 'objects'
  const parsed = id === undefined ? undefined : kind === 'lists' ? parseListRecordId(id) : parseRecordId(id)
  return { kind, collection: parseStoredCollectionName(name), id: parsed }
}

/** Does it cover that collection? Atoll's own only where they are asked for by name. */
export function scopeHas(scope: CheckedScope | undefined, kind: CollectionKind, collection: CollectionName): boolean {
  if (scope === undefined) return !collection.startsWith('.atoll.')
  return scope.kind === kind && scope.collection === collection
}
