/**
 * `refs/atoll/before-reclock/<time>` names what `main` was before a reclock at that moment, in milliseconds since 1970: its commits whose
 * clocks were ahead of it were sealed again, and are part of `main` no more. A further one of the same moment has `-<number>` behind it.
 */
import { type CommitGraph, type CommitId, type GraphNode, isAhead } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import { readableNode } from './readable-node.ts'

export const BEFORE_RECLOCK_PREFIX = 'refs/atoll/before-reclock/'

export function beforeReclockRef(nowMs: number, number: number): string {
  return `${BEFORE_RECLOCK_PREFIX}${nowMs}${number === 0 ? '' : `-${number}`}`
}

/** Every commit that a reclock replaced, as far as they can be read: none of them is to become a head again. */
export async function reclockedCommits(repository: Repository, graph: CommitGraph): Promise<ReadonlySet<CommitId>> {
  const replaced = new Set<CommitId>()
  for (const [ref, id] of await repository.listRefs(BEFORE_RECLOCK_PREFIX)) {
    const nowMs = Number.parseInt(ref.slice(BEFORE_RECLOCK_PREFIX.length), 10)
    const ahead = await commitsAhead(commit => readableNode(graph, commit), [id as CommitId], nowMs)
    for (const commit of ahead) replaced.add(commit)
  }
  return replaced
}

/**
 * Of the commits given and all they lead to, those whose clocks are ahead of the moment, merge commits too. Clocks grow along
 * ancestry, so it costs as many commits as it gives.
 */
export async function commitsAhead(
  nodeOf: (id: CommitId) => Promise<GraphNode | undefined>,
  from: Iterable<CommitId>,
  nowMs: number,
): Promise<ReadonlySet<CommitId>> {
  const pending = [...from]
  const seen = new Set(pending)
  const ahead = new Set<CommitId>()
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    const node = await nodeOf(id)
    if (node === undefined || !isAhead(node.clock, nowMs)) continue
    ahead.add(id)
    for (const parent of node.parents) {
      if (!seen.has(parent)) pending.push(parent)
      seen.add(parent)
    }
  }
  return ahead
}
