import type { ObjectId, ObjectStore } from '@atolldb/core'
import type { QuarantinedPack } from '@atolldb/git'
import { breathe } from '../scheduling/breathe.ts'

const OBJECTS_PER_BREATH = 500

/** Copies a tree with what it needs, as far as `to` lacks it: what `to` has is complete. */
export async function copyTree(from: ObjectStore, to: ObjectStore, tree: ObjectId): Promise<void> {
  if (await to.has(tree)) return
  const entries = await from.readTree(tree)
  for (const { type, id } of entries) {
    if (type === 'tree') await copyTree(from, to, id)
    else if (!(await to.has(id))) to.writeBlob(await from.readBlob(id))
  }
  to.writeTree(entries)
}

export async function copyPack(pack: QuarantinedPack, to: ObjectStore): Promise<void> {
  let objects = 0
  for (const { id, type } of pack.objects()) {
    if (type === 'blob') to.writeBlob(await pack.readBlob(id))
    else if (type === 'tree') to.writeTree(await pack.readTree(id))
    else to.writeCommit(await pack.readCommit(id as Parameters<QuarantinedPack['readCommit']>[0]))
    if (++objects % OBJECTS_PER_BREATH === 0) await breathe()
  }
}
