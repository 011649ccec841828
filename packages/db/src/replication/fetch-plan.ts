import {
  type CommitGraph,
  type CommitId,
  type DataNode,
  divergence,
  MAX_FETCH_HAVES,
  type ObjectReader,
} from '@atolldb/core'
import { breathe } from '../scheduling/breathe.ts'

/** A commit to send: a data commit, and the merge commit that is its parent where the receiver may lack that. */
export interface PlannedCommit {
  readonly commit: DataNode
  readonly merge: CommitId | undefined
}

/**
 * What a peer that has `haves` needs to have `wants`: oldest first, so that each commit's parents come before it. Commits
 * that we lack ourselves are left out of both.
 */
export async function planFetch(
  repository: Pick<ObjectReader, 'has'>,
  graph: CommitGraph,
  wants: readonly CommitId[],
  haves: readonly CommitId[],
  pause: () => Promise<void>,
): Promise<PlannedCommit[]> {
  const known = await presentDataCommits(repository, graph, haves)
  const wanted = await presentDataCommits(repository, graph, wants)
  const { left } = await divergence(graph, wanted, known, { breathe: pause })
  const planned: PlannedCommit[] = []
  const merges = new Set<CommitId>()
  for (const commit of left.toReversed()) {
    const [parent] = commit.parents
    const isMerge = parent !== undefined && (await graph.node(parent)).type === 'merge' && !merges.has(parent)
    if (isMerge) merges.add(parent)
    planned.push({ commit, merge: isMerge ? parent : undefined })
  }
  return planned
}

async function presentDataCommits(
  repository: Pick<ObjectReader, 'has'>,
  graph: CommitGraph,
  ids: readonly CommitId[],
): Promise<CommitId[]> {
  const present: CommitId[] = []
  for (const id of new Set(ids))
    if ((await repository.has(id)) && (await graph.node(id)).type !== 'merge') present.push(id)
  return present
}

/** So many commits are looked at for a sample; a peer that shares none of it is sent everything from the root. */
const SAMPLE_STEPS = 4_000
const STEPS_PER_BREATH = 500

/**
 * Heads that we hold, their ancestors at growing distances, and the root: enough for a peer to find common ground.
 * `shared` are commits that this peer is known to have: the best ground of all.
 */
export async function sampleHaves(
  graph: CommitGraph,
  heads: readonly CommitId[],
  shared: readonly CommitId[],
  root: CommitId,
): Promise<CommitId[]> {
  const sample = new Set([...shared, ...heads])
  const stepsPerHead = Math.ceil(SAMPLE_STEPS / Math.max(1, heads.length))
  let looked = 0
  for (const head of heads) {
    let node = await graph.dataNode(head)
    let next = 1
    for (let step = 1; step <= stepsPerHead && sample.size < MAX_FETCH_HAVES - 1; step++) {
      const [seen] = node.seen
      if (seen === undefined) break
      node = await graph.dataNode(seen)
      if (++looked % STEPS_PER_BREATH === 0) await breathe()
      if (step < next) continue
      sample.add(node.id)
      next *= 2
    }
  }
  return [...[...sample].slice(0, MAX_FETCH_HAVES - 1), root]
}
