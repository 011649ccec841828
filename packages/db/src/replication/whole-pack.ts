import { AtollError, type CommitId, type GraphNode, type ObjectId, type ObjectReader } from '@atolldb/core'
import type { QuarantinedPack } from '@atolldb/git'
import { breatheInSlices } from '../scheduling/breathe.ts'
import { newObjects } from './new-objects.ts'

/**
 * Does a pack hold everything that its commits need beyond what `store` has, and nothing else? A stranger neither leaves
 * holes in our repository nor fills it with what nobody asked for.
 *
 * @param store reads the pack and what it stands on
 * @throws REFUSED
 */
export async function assertWhole(
  pack: QuarantinedPack,
  store: ObjectReader,
  nodes: ReadonlyMap<CommitId, GraphNode>,
): Promise<void> {
  const needed = new Set<ObjectId>()
  const breathe = breatheInSlices()
  for (const node of nodes.values()) {
    if (node.type === 'merge') continue
    needed.add(node.id)
    const [parent] = node.parents
    // A merge commit comes along for the sake of a commit upon it.
    if (parent !== undefined) needed.add(parent)
    const parentTree = parent === undefined ? undefined : await treeOf(store, parent)
    for await (const ids of newObjects(store, parentTree, node.tree)) {
      for (const id of ids) {
        if (needed.has(id)) continue
        if (!pack.holds(id) && !(await store.has(id))) throw refused(`object ${id} of commit ${node.id} is missing`)
        needed.add(id)
      }
      await breathe()
    }
  }
  for (const { id, type } of pack.objects())
    if (!needed.has(id)) throw refused(`no commit of the pack needs its ${type} ${id}`)
}

async function treeOf(store: ObjectReader, commit: CommitId): Promise<ObjectId> {
  return (await store.readCommit(commit)).tree
}

function refused(reason: string): AtollError<'REFUSED'> {
  return new AtollError('REFUSED', `a pack is refused: ${reason}`, { reason })
}
