import type { VerifyCommitSignature } from '../contracts/environment.ts'
import type { CommitObject } from '../contracts/object-store.ts'
import { isAtollError } from '../errors.ts'
import type { CommitId } from '../ids.ts'
import { RULES_VERSION } from '../limits.ts'
import type { MergeContext } from '../merge/merge-context.ts'
import { mainOf, mergeHeads } from '../merge/merge-heads.ts'
import type { RecordDifference } from '../records.ts'
import { compareClock } from './clock.ts'
import type { DataNode, GraphNode, MergeNode } from './commit-graph.ts'
import { refusal } from './refusal.ts'
import { isRootTree } from './root-commit.ts'
import { verifyChanges } from './verify-changes.ts'

export interface VerifyContext extends MergeContext {
  readonly verifySignature: VerifyCommitSignature
  /** The id of the cluster's root commit. */
  readonly cluster: CommitId
  /** Is told what the commit changes, once that is verified; of a data commit only. */
  readonly onDifference?: (difference: RecordDifference) => void
}

/**
 * Is a commit valid, given that its parents are? It depends on the commit and its ancestors alone: not on the time, settings
 * or anything else that nodes may differ in. What is recomputed is written to the context's store, so hand in one whose
 * writes go nowhere.
 *
 * @throws REFUSED with the reason when it is not; what the store throws (MISSING, CORRUPT, …) when objects cannot be read
 */
export async function verifyCommit(context: VerifyContext, id: CommitId): Promise<GraphNode> {
  try {
    const node = await context.graph.node(id)
    const commit = await context.store.readCommit(id)
    if (node.type === 'merge') await verifyMerge(context, node)
    else if (node.type === 'root') await verifyRoot(context, node, commit)
    else await verifyData(context, node, commit)
    return node
  } catch (error) {
    if (isAtollError(error, 'REFUSED') && error.data.commit === undefined) throw refusal(error.data.reason, id, error)
    throw error
  }
}

async function verifyRoot(context: VerifyContext, node: DataNode, commit: CommitObject): Promise<void> {
  if (node.id !== context.cluster) throw refusal('it is the root of another cluster')
  verifySigned(context, node, commit)
  if (!(await isRootTree(context.store, commit)))
    throw refusal(`its tree is not that of rules version ${RULES_VERSION}`)
}

async function verifyData(context: VerifyContext, node: DataNode, commit: CommitObject): Promise<void> {
  verifySigned(context, node, commit)
  const parent = await context.graph.node(node.parents[0]!)
  if (compareClock(node.clock, parent.clock) <= 0) throw refusal('its clock is not after that of its parent')
  const differences = await verifyChanges(context, parent.tree, node.tree)
  if (context.onDifference !== undefined) for (const difference of differences) context.onDifference(difference)
}

function verifySigned(context: VerifyContext, node: DataNode, commit: CommitObject): void {
  if (!context.verifySignature(commit, node.stamp.node)) throw refusal('its signature is not by its node')
}

async function verifyMerge(context: VerifyContext, node: MergeNode): Promise<void> {
  const { heads, tree } = await mergeHeads(context, node.parents)
  if (heads.length !== node.parents.length) throw refusal('one parent of a merge commit is an ancestor of another')
  const { id } = await mainOf(context, { heads, tree })
  if (id !== node.id) throw refusal('it is not the merge of its parents')
}
