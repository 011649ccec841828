import type { ObjectReader, ObjectStore, TreeEntry } from '../contracts/object-store.ts'
import { assert } from '../errors.ts'
import type { CollectionKind, CollectionName, ObjectId } from '../ids.ts'
import type { RecordDifference, RecordEdit, StoredContent } from '../records.ts'
import { toByteString } from '../text.ts'
import { collectionEntry, KINDS, readCollectionRoots, readKindRoots } from './collection-roots.ts'
import { type KeyEdit, NodeEditor } from './edit-node.ts'
import { keyToId, type LeafRecord, toContent, toLeafRecord } from './leaf-record.ts'
import { saveNode, subtreeAt } from './node.ts'

/** What edits did to one collection. */
export interface EditTally {
  readonly kind: CollectionKind
  readonly collection: CollectionName
  readonly added: number
  readonly changed: number
  readonly removed: number
}

export interface EditedTree {
  readonly tree: ObjectId
  /** By `<kind>/<collection>`. */
  readonly tallies: ReadonlyMap<string, EditTally>
}

export interface EditOptions {
  /** Called every now and then in long work, so that others get their turn. */
  readonly breathe?: () => Promise<void>
  /** Told of each record that is not as it was. */
  readonly onDifference?: (difference: RecordDifference) => void
}

interface ContentEdit extends KeyEdit {
  readonly content: StoredContent | undefined
}

interface CollectionEdits {
  readonly kind: CollectionKind
  readonly collection: CollectionName
  readonly edits: ContentEdit[]
}

/**
 * The tree of a state after edits, at most one a record. The result depends on the records of the new state alone, not on
 * how it came about. Costs what the edits touch: their leaves, the nodes above them, and where records go the neighbours that
 * tell whether leaves fold.
 *
 * `root` undefined is the empty state. Blobs of Objects whose edit brings bytes are written; others must be in the store.
 * Edits that say what is there write nothing.
 */
export async function applyEdits(
  store: ObjectStore,
  root: ObjectId | undefined,
  edits: Iterable<RecordEdit>,
  options: EditOptions = {},
): Promise<EditedTree> {
  const editsByCollection = groupEdits(edits)
  const treeByKind = await readKindRoots(store, root)
  const tallies = new Map<string, EditTally>()
  let hasChanged = false
  for (const kind of KINDS) {
    const edited = [...editsByCollection.values()].filter(group => group.kind === kind)
    if (edited.length === 0) continue
    const refs = await readCollectionRoots(store, root, kind)
    let isChanged = false
    for (const { collection, edits: keyEdits } of edited) {
      const editor = new NodeEditor<ContentEdit>(store, kind, {
        breathe: options.breathe,
        onEffect: options.onDifference && toldAs(options.onDifference, store, kind, collection),
      })
      const before = refs.get(collection)
      const subtree = await editor.edit(before && subtreeAt(before), sorted(keyEdits))
      const after = subtree && (await saveNode(store, kind, subtree, options.breathe))
      tallies.set(`${kind}/${collection}`, { kind, collection, ...editor.tally })
      if (after?.id === before?.id) continue
      isChanged = true
      if (after === undefined) refs.delete(collection)
      else refs.set(collection, after)
    }
    if (!isChanged) continue
    hasChanged = true
    if (refs.size === 0) treeByKind.delete(kind)
    else treeByKind.set(kind, store.writeTree([...refs].map(([name, ref]) => collectionEntry(name, ref))))
  }
  if (!hasChanged && root !== undefined) return { tree: root, tallies }
  const entries = [...treeByKind].map(([name, id]): TreeEntry => ({ name, type: 'tree', id }))
  return { tree: store.writeTree(entries), tallies }
}

function toldAs(
  tell: (difference: RecordDifference) => void,
  reader: ObjectReader,
  kind: CollectionKind,
  collection: CollectionName,
): (before: LeafRecord | undefined, edit: ContentEdit) => void {
  return (before, { key, content }) =>
    tell({ kind, collection, id: keyToId(key), before: before && toContent(reader, before), after: content })
}

function groupEdits(edits: Iterable<RecordEdit>): Map<string, CollectionEdits> {
  const editsByCollection = new Map<string, CollectionEdits>()
  for (const { kind, collection, id, content } of edits) {
    const name = `${kind}/${collection}`
    let group = editsByCollection.get(name)
    if (group === undefined) editsByCollection.set(name, (group = { kind, collection, edits: [] }))
    const key = toByteString(id)
    group.edits.push({ key, record: content && toLeafRecord(kind, key, content), content })
  }
  return editsByCollection
}

function sorted(edits: ContentEdit[]): ContentEdit[] {
  edits.sort((a, b) => (a.key < b.key ? -1 : a.key > b.key ? 1 : 0))
  for (let i = 1; i < edits.length; i++) assert(edits[i - 1]!.key !== edits[i]!.key, 'one edit a record')
  return edits
}
