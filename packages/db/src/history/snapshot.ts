import {
  type GraphNode,
  isReservedCollection,
  type JsonValue,
  listCollections,
  type ObjectReader,
  parseStoredCollectionName,
} from '@atolldb/core'
import type { Snapshot } from '../api/history.ts'
import { TreeCollection } from './snapshot-collection.ts'

/** The state of one commit, whose tree holds all of it. */
export function snapshotOf(reader: ObjectReader, { id: commit, clock, tree }: GraphNode): Snapshot {
  return {
    commit,
    time: new Date(clock.ms),
    object: <T = JsonValue>(name: string) =>
      new TreeCollection<T>(reader, tree, 'objects', parseStoredCollectionName(name)),
    list: <T = JsonValue>(name: string) =>
      new TreeCollection<T>(reader, tree, 'lists', parseStoredCollectionName(name)),
    async collections() {
      const all = await listCollections(reader, tree)
      return all
        .filter(({ collection }) => !isReservedCollection(collection))
        .map(({ kind, collection }) => ({ kind, name: collection }))
        .toSorted((a, b) => (a.name < b.name || (a.name === b.name && a.kind < b.kind) ? -1 : 1))
    },
  }
}
