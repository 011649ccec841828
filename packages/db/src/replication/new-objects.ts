import type { ObjectId, ObjectReader, TreeEntry } from '@atolldb/core'

/**
 * The trees and blobs of a tree that an older tree lacks, as far as comparing entries of one name tells: at least what is
 * new. What moved by a level when a radix node was split, folded or pushed down counts as new, too. It is the most that a
 * pack may bring for a commit. A directory's at a time, those below it first.
 */
export function newObjects(
  reader: ObjectReader,
  older: ObjectId | undefined,
  newer: ObjectId,
): AsyncGenerator<readonly ObjectId[]> {
  return compare({ reader, isMovedKnown: false }, older, newer, undefined)
}

/** The same without what only moved by a level: what is sent. */
export function objectsToSend(
  reader: ObjectReader,
  older: ObjectId | undefined,
  newer: ObjectId,
): AsyncGenerator<readonly ObjectId[]> {
  return compare({ reader, isMovedKnown: true }, older, newer, undefined)
}

interface Comparison {
  readonly reader: ObjectReader
  readonly isMovedKnown: boolean
}

/** What the older tree has in a directory, and in those above it. */
interface Known {
  readonly ids: ReadonlySet<ObjectId>
  readonly above: Known | undefined
}

async function* compare(
  comparison: Comparison,
  older: ObjectId | undefined,
  newer: ObjectId,
  above: Known | undefined,
): AsyncGenerator<readonly ObjectId[]> {
  if (older === newer) return
  const { reader, isMovedKnown } = comparison
  const before = older === undefined ? [] : await reader.readTree(older)
  const after = await reader.readTree(newer)
  const ids = new Set<ObjectId>(before.map(entry => entry.id))
  if (isMovedKnown) for (const entry of await foldedEntries(reader, before, after)) ids.add(entry.id)
  const known: Known = { ids, above: isMovedKnown ? above : undefined }
  const treeByName = new Map(before.filter(entry => entry.type === 'tree').map(entry => [entry.name, entry.id]))
  const here: ObjectId[] = []
  for (const entry of after) {
    if (isKnown(known, entry.id)) continue
    if (entry.type === 'blob') here.push(entry.id)
    else yield* compare(comparison, treeByName.get(entry.name), entry.id, known)
  }
  here.push(newer)
  yield here
}

function isKnown(known: Known | undefined, id: ObjectId): boolean {
  for (let at = known; at !== undefined; at = at.above) if (at.ids.has(id)) return true
  return false
}

/** What was in directories that are gone: where they were folded, it is in the one above now. */
async function foldedEntries(
  reader: ObjectReader,
  before: readonly TreeEntry[],
  after: readonly TreeEntry[],
): Promise<readonly TreeEntry[]> {
  const names = new Set(after.map(entry => entry.name))
  const entries: TreeEntry[] = []
  for (const { type, name, id } of before)
    if (type === 'tree' && !names.has(name)) entries.push(...(await reader.readTree(id)))
  return entries
}
