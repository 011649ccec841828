import {
  type ChangeLists,
  type CommitGraph,
  type CommitId,
  type DataNode,
  divergence,
  type ObjectReader,
  type RecordKey,
} from '@atolldb/core'
import type { FeedAuthor } from '../api/history.ts'
import { breathe } from '../scheduling/breathe.ts'

export interface Authorship {
  readonly commit: CommitId
  readonly author: FeedAuthor
}

export interface MoveAuthorsParts {
  readonly reader: Pick<ObjectReader, 'readCommit'>
  readonly graph: CommitGraph
  readonly changes: ChangeLists
}

/**
 * Who changed what between two mains: for each record, the latest of the data commits that came with the later main and
 * changed it. Undefined for a record that none of them changed.
 */
export async function moveAuthors(
  parts: MoveAuthorsParts,
  before: CommitId | undefined,
  after: CommitId,
): Promise<(key: RecordKey) => Promise<Authorship | undefined>> {
  const { graph, changes } = parts
  const node = await graph.node(after)
  const describe = describer(parts)
  // What this node sealed: one commit did all of it.
  if (node.type !== 'merge' && node.parents[0] === before) return () => describe(node)
  // Where the feed begins with a state that was there before, who made it is asked of the log.
  if (before === undefined) return async () => undefined
  const left = await graph.headsOfMain(before)
  const { right } = await divergence(graph, left, await graph.headsOfMain(after), { breathe })
  const nodeByRecord = new Map<RecordKey, DataNode>()
  // The latest comes first.
  for (const commit of right.toReversed())
    for (const key of (await changes.of(commit)).keys()) nodeByRecord.set(key, commit)
  return async key => {
    const found = nodeByRecord.get(key)
    return found && describe(found)
  }
}

function describer({ reader }: MoveAuthorsParts): (node: DataNode) => Promise<Authorship> {
  const known = new Map<CommitId, Authorship>()
  return async ({ id, stamp }) => {
    const described = known.get(id) ?? {
      commit: id,
      author: { node: stamp.node, name: (await reader.readCommit(id)).author.name },
    }
    known.set(id, described)
    return described
  }
}
