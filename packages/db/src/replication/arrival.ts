import {
  AtollError,
  ChangeLists,
  CommitGraph,
  type CommitId,
  type DataNode,
  isAhead,
  isAtollError,
  MAX_COMMITS_HELD_BACK,
  type VerifyCommitSignature,
  verifyCommit,
} from '@atolldb/core'
import type { QuarantinedPack, Repository, StagedObjects } from '@atolldb/git'
import { breathe } from '../engine/breathe.ts'
import type { HeldCommits } from './held-commits.ts'

export interface ArrivalParts {
  readonly repository: Repository
  readonly cluster: CommitId
  readonly verifySignature: VerifyCommitSignature
  /** The wall clock that commits are held against; undefined while ours cannot be trusted. */
  readonly nowMs: () => number | undefined
  readonly held: HeldCommits
}

/**
 * Takes a pack from a peer: quarantine, verification of every commit in it, then durable in the repository. Nothing of it is
 * adopted yet. Returns the data commits that nothing else in the pack descends from and that are not held back.
 *
 * @throws REFUSED (of the first violation; nothing of the pack is kept), STORAGE_FULL, STORAGE_FAILED
 */
export async function takePack(parts: ArrivalParts, bytes: AsyncIterable<Uint8Array>): Promise<CommitId[]> {
  const pack = await parts.repository.receivePack(bytes)
  try {
    const merges = parts.repository.stage({ readers: [pack] })
    const tips = await verifyPack(parts, pack, merges)
    await pack.adopt()
    // Merge commits come without their trees: ours, recomputed, are what later commits stand on.
    await merges.commit()
    return tips
  } catch (error) {
    await pack.discard()
    throw isAtollError(error, 'MISSING') ? incomplete(error) : error
  }
}

async function verifyPack(parts: ArrivalParts, pack: QuarantinedPack, merges: StagedObjects): Promise<CommitId[]> {
  const graph = new CommitGraph(merges)
  const changes = new ChangeLists(graph, merges)
  const tips = new Set<CommitId>()
  for (const id of pack.commits()) {
    // What is verified already is not verified again; a merge commit counts once its tree is here.
    if (await parts.repository.has(id)) continue
    const node = await graph.node(id)
    // What verifying a data commit recomputes is in the pack already, so it goes nowhere.
    const store = node.type === 'merge' ? merges : parts.repository.stage({ readers: [pack, merges] })
    await verifyCommit(
      { store, graph, changes, breathe, cluster: parts.cluster, verifySignature: parts.verifySignature },
      id,
    )
    await breathe()
    if (node.type === 'merge' || isHeld(parts, node)) continue
    for (const seen of node.seen) tips.delete(seen)
    tips.add(id)
  }
  return [...tips]
}

/** A commit ahead of our clock waits, and so does whatever descends from one that waits. */
function isHeld({ held, nowMs }: ArrivalParts, node: DataNode): boolean {
  const now = nowMs()
  const isHeldBack = (now !== undefined && isAhead(node.clock, now)) || node.seen.some(seen => held.has(seen))
  if (!isHeldBack) return false
  if (held.size >= MAX_COMMITS_HELD_BACK)
    throw new AtollError('REFUSED', 'too many commits are held back already', { reason: 'too many commits held back' })
  held.add(node)
  return true
}

/** A commit that names objects which came neither before nor with it. */
function incomplete(error: AtollError<'MISSING'>): AtollError<'REFUSED'> {
  const reason = `something is missing from the pack: ${error.message}`
  return new AtollError('REFUSED', reason, { reason }, { cause: error })
}
