import type { ObjectId, ObjectReader, ObjectStore } from '@atolldb/core'
import type { QuarantinedPack } from '@atolldb/git'
import { breathe } from '../scheduling/breathe.ts'

const OBJECTS_PER_BREATH = 500

/**
 * Copies a tree with what it needs, as far as `to` lacks it. That `to` has a tree does not say that it has what is in it: a pack
 * brings the trees of a commit without what the commit's parent, a merge, has already. `whole` knows it, and learns it.
 */
export async function copyTree(from: ObjectStore, to: ObjectStore, tree: ObjectId, whole: WholeTrees): Promise<void> {
  if (await whole.has(tree)) return
  const entries = await from.readTree(tree)
  for (const { type, id } of entries) {
    if (type === 'tree') await copyTree(from, to, id, whole)
    else if (!(await to.has(id))) to.writeBlob(await from.readBlob(id))
  }
  if (!(await to.has(tree))) to.writeTree(entries)
  whole.add(tree)
}

/** Trees that are there with all that is in them: those of a repository, and those that were copied. */
export class WholeTrees {
  readonly #repository: Pick<ObjectReader, 'has'>
  readonly #copied = new Set<ObjectId>()

  constructor(repository: Pick<ObjectReader, 'has'>) {
    this.#repository = repository
  }

  async has(tree: ObjectId): Promise<boolean> {
    return this.#copied.has(tree) || this.#repository.has(tree)
  }

  add(tree: ObjectId): void {
    this.#copied.add(tree)
  }
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
