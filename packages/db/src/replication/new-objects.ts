import type { ObjectId, ObjectReader } from '@atolldb/core'

/**
 * The trees and blobs of a tree that an older tree lacks, as far as comparing entries of one name tells: at least what is
 * new, and hardly more. A subtree that moved one level up or down (a radix node that was pushed down or folded) is known by
 * its id.
 */
export async function* newObjects(
  reader: ObjectReader,
  older: ObjectId | undefined,
  newer: ObjectId,
): AsyncGenerator<ObjectId> {
  if (older === newer) return
  const before = older === undefined ? [] : await reader.readTree(older)
  const known = new Set<ObjectId>(before.map(entry => entry.id))
  if (older !== undefined) known.add(older)
  if (known.has(newer)) return
  const treeByName = new Map(before.filter(entry => entry.type === 'tree').map(entry => [entry.name, entry.id]))
  for (const entry of await reader.readTree(newer)) {
    if (known.has(entry.id)) continue
    if (entry.type === 'blob') yield entry.id
    else yield* newObjects(reader, treeByName.get(entry.name), entry.id)
  }
  yield newer
}
