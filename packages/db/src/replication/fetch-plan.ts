import { type CommitGraph, type CommitId, type DataNode, divergence, MAX_FETCH_HAVES } from '@atolldb/core'
import type { Repository } from '@atolldb/git'

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
  repository: Repository,
  graph: CommitGraph,
  wants: readonly CommitId[],
  haves: readonly CommitId[],
): Promise<PlannedCommit[]> {
  const known = await presentDataCommits(repository, graph, haves)
  const wanted = await presentDataCommits(repository, graph, wants)
  const { left } = await divergence(graph, wanted, known)
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
  repository: Repository,
  graph: CommitGraph,
  ids: readonly CommitId[],
): Promise<CommitId[]> {
  const present: CommitId[] = []
  for (const id of new Set(ids))
    if ((await repository.has(id)) && (await graph.node(id)).type !== 'merge') present.push(id)
  return present
}

/** So far back a sample goes; a peer that shares less is sent what it takes from the root. */
const SAMPLE_STEPS = 2_000

/** Our heads, their ancestors at growing distances, and the root: enough for a peer to find common ground. */
export async function sampleHaves(graph: CommitGraph, heads: readonly CommitId[], root: CommitId): Promise<CommitId[]> {
  const sample = new Set(heads)
  for (const head of heads) {
    let node = await graph.dataNode(head)
    let next = 1
    for (let step = 1; step <= SAMPLE_STEPS && sample.size < MAX_FETCH_HAVES - 1; step++) {
      const [seen] = node.seen
      if (seen === undefined) break
      node = await graph.dataNode(seen)
      if (step < next) continue
      sample.add(node.id)
      next *= 2
    }
  }
  return [...[...sample].slice(0, MAX_FETCH_HAVES - 1), root]
}
