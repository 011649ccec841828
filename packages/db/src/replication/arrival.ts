import {
  AtollError,
  ChangeCollector,
  type ChangeList,
  ChangeLists,
  CommitGraph,
  type CommitId,
  type GraphNode,
  isAhead,
  isAtollError,
  type RecordDifference,
  type RuleRunner,
  type VerifyCommitSignature,
  verifyCommit,
} from '@atolldb/core'
import { allDone, type QuarantinedPack, type Repository, type StagedObjects } from '@atolldb/git'
import type { Incoming } from '../engine/incoming.ts'
import { breatheInSlices } from '../scheduling/breathe.ts'
import { copyPack, copyTree, WholeTrees } from './copy-objects.ts'
import { PackReader } from './pack-reader.ts'
import { assertWhole } from './whole-pack.ts'

export interface ArrivalParts {
  readonly repository: Repository
  readonly cluster: CommitId
  readonly verifySignature: VerifyCommitSignature
  readonly rules: RuleRunner
  /** The wall clock that commits are held against; undefined while ours cannot be trusted. */
  readonly nowMs: () => number | undefined
  /** So many more commits may be held back. */
  readonly roomToHold: () => number
  /** Is told what each new data commit changes, once that is verified. */
  readonly noteChanges: ((commit: CommitId, changes: ChangeList) => void) | undefined
  /** Runs what makes the pack durable. */
  readonly keep: (work: () => Promise<void>) => Promise<void>
  /** Adopts commits, once they are durable at the latest. */
  readonly adopt: (commits: readonly CommitId[], incoming: Incoming) => Promise<void>
  /** Ends the work between two commits. */
  readonly signal: AbortSignal
}

/** What came with a pack. */
export interface Arrival {
  /** Data commits that nothing else in the pack descends from. */
  readonly tips: readonly CommitId[]
  /** Did it bring a commit that was not here yet? */
  readonly isNews: boolean
}

/**
 * Takes a pack from quarantine: verifies every commit in it, and that it holds what they need and nothing else, then makes it
 * durable in the repository, all of it or nothing, and has its tips adopted: what can be made ready for that is meanwhile.
 *
 * @throws REFUSED (of the first violation; nothing of the pack is kept), STORAGE_FULL, STORAGE_FAILED, what `adopt` throws
 */
export async function takePack(parts: ArrivalParts, pack: QuarantinedPack): Promise<Arrival> {
  try {
    // Merge commits come without their trees: ours, recomputed, are what the commits upon them stand on.
    const reader = new PackReader(pack)
    const merges = parts.repository.stage({ readers: [reader] })
    const { graph, nodes, isNews, isOneAhead } = await verifyPack(parts, pack.commits(), reader, merges)
    await assertWhole(pack, merges, nodes)
    const tips = tipsOf(nodes.values())
    const durable = isNews ? parts.keep(() => keepPack(pack, merges)) : Promise.resolve()
    const seen = new Set([...nodes.values()].flatMap(node => node.seen))
    // What is in a file moves to another place while it is adopted, and of a merge commit more is written than what came.
    const isSimple = pack.isInMemory && merges.objectCount === 0 && !isOneAhead && tips.length === 1
    const continues = (heads: readonly CommitId[]): boolean =>
      isSimple && heads.length > 0 && heads.every(head => seen.has(head))
    await allDone([durable, parts.adopt(tips, { atHand: reader, graph, durable, continues })])
    return { tips, isNews }
  } catch (error) {
    throw isAtollError(error, 'MISSING') ? incomplete(error) : error
  } finally {
    await pack.discard()
  }
}

interface VerifiedPack {
  readonly graph: CommitGraph
  readonly nodes: ReadonlyMap<CommitId, GraphNode>
  readonly isNews: boolean
  /** Is the clock of one of them so far ahead that it is to be held back? */
  readonly isOneAhead: boolean
}

async function verifyPack(
  parts: ArrivalParts,
  commits: readonly CommitId[],
  reader: PackReader,
  merges: StagedObjects,
): Promise<VerifiedPack> {
  const graph = new CommitGraph(merges)
  const changes = new ChangeLists(graph, merges)
  const nodes = new Map<CommitId, GraphNode>()
  const now = parts.nowMs()
  const breathe = breatheInSlices()
  let roomToHold = parts.roomToHold()
  const whole = new WholeTrees(parts.repository)
  let isNews = false
  let isOneAhead = false
  for (const id of commits) {
    const node = await graph.node(id)
    nodes.set(id, node)
    const isThisAhead = now !== undefined && isAhead(node.clock, now)
    isOneAhead ||= isThisAhead
    // What is in the repository was verified when it came.
    if (await parts.repository.has(id)) continue
    isNews = true
    if (isThisAhead && --roomToHold < 0)
      throw new AtollError('REFUSED', 'too many commits are held back', { reason: 'too many commits held back' })
    // What is recomputed goes nowhere; of a merge commit its tree is needed.
    const scratch = parts.repository.stage({ readers: [reader, merges] })
    const { cluster, verifySignature, rules, noteChanges } = parts
    const collector = new ChangeCollector()
    const told = noteChanges && { onDifference: (difference: RecordDifference) => collector.add(difference) }
    await verifyCommit({ store: scratch, graph, changes, breathe, cluster, verifySignature, rules, ...told }, id)
    if (node.type === 'data') noteChanges?.(id, await collector.finish(scratch, node.tree))
    if (node.type === 'merge') await copyTree(scratch, merges, node.tree, whole)
    await breathe()
    parts.signal.throwIfAborted()
  }
  return { graph, nodes, isNews, isOneAhead }
}

/** Durable, and part of the repository, when it resolves; in one step, so that no commit is ever there without its tree. */
async function keepPack(pack: QuarantinedPack, merges: StagedObjects): Promise<void> {
  if (merges.objectCount === 0) return pack.adopt()
  await copyPack(pack, merges)
  await merges.commit()
}

function tipsOf(nodes: Iterable<GraphNode>): CommitId[] {
  const tips = new Set<CommitId>()
  const seen = new Set<CommitId>()
  for (const node of nodes) {
    if (node.type === 'merge') continue
    tips.add(node.id)
    for (const id of node.seen) seen.add(id)
  }
  return [...tips].filter(id => !seen.has(id))
}

/** A commit that names objects which came neither before nor with it. */
function incomplete(error: AtollError<'MISSING'>): AtollError<'REFUSED'> {
  const reason = `something is missing from the pack: ${error.message}`
  return new AtollError('REFUSED', reason, { reason }, { cause: error })
}
