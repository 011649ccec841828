import { EMPTY_TREE, type ObjectReader, type TreeEntry } from '../contracts/object-store.ts'
import type { CollectionKind, CollectionName, ObjectId } from '../ids.ts'
import { misplaced } from './misplaced.ts'
import { collectionToDirectory, directoryToCollection } from './names.ts'
import type { NodeRef } from './node.ts'

export const KINDS: readonly CollectionKind[] = ['objects', 'lists']

const LIST_EXTENSION = '.jsonl'

/** Where the root node of each collection of a kind lies, by name. @throws REFUSED */
export async function readCollectionRoots(
  reader: ObjectReader,
  root: ObjectId | undefined,
  kind: CollectionKind,
): Promise<Map<CollectionName, NodeRef>> {
  const refByCollection = new Map<CollectionName, NodeRef>()
  for (const entry of await readKind(reader, root, kind)) {
    const { type, id } = entry
    if (type === 'blob' && !(kind === 'lists' && entry.name.endsWith(LIST_EXTENSION)))
      throw misplaced(`a file among the collections: ${JSON.stringify(entry.name.slice(0, 120))}`)
    const directory = type === 'blob' ? entry.name.slice(0, -LIST_EXTENSION.length) : entry.name
    const collection = directoryToCollection(directory)
    if (refByCollection.has(collection)) throw misplaced(`the collection ${collection} is there twice`)
    refByCollection.set(collection, { type, id })
  }
  return refByCollection
}

/** Where the root node of one collection lies. */
export async function findCollectionRoot(
  reader: ObjectReader,
  root: ObjectId | undefined,
  kind: CollectionKind,
  collection: CollectionName,
): Promise<NodeRef | undefined> {
  const directory = collectionToDirectory(collection)
  for (const { name, type, id } of await readKind(reader, root, kind))
    if (type === 'tree' ? name === directory : kind === 'lists' && name === directory + LIST_EXTENSION)
      return { type, id }
  return undefined
}

export function collectionEntry(collection: CollectionName, { type, id }: NodeRef): TreeEntry {
  const directory = collectionToDirectory(collection)
  return { name: type === 'blob' ? directory + LIST_EXTENSION : directory, type, id }
}

async function readKind(
  reader: ObjectReader,
  root: ObjectId | undefined,
  kind: CollectionKind,
): Promise<readonly TreeEntry[]> {
  const id = (await readKindRoots(reader, root)).get(kind)
  return id === undefined ? [] : reader.readTree(id)
}

/** The trees `objects` and `lists`, as far as they are there. @throws REFUSED when there is anything else */
export async function readKindRoots(
  reader: ObjectReader,
  root: ObjectId | undefined,
): Promise<Map<CollectionKind, ObjectId>> {
  const idByKind = new Map<CollectionKind, ObjectId>()
  if (root === undefined || root === EMPTY_TREE) return idByKind
  for (const { name, type, id } of await reader.readTree(root)) {
    const kind = KINDS.find(known => known === name)
    if (kind === undefined || type !== 'tree')
      throw misplaced(`${JSON.stringify(name.slice(0, 120))} beside the collections`)
    idByKind.set(kind, id)
  }
  return idByKind
}
