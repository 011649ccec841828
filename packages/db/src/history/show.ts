import { type CommitGraph, type GraphNode, lookupRecord, type ObjectReader, sameContent } from '@atolldb/core'
import type { RecordChange, ShownCommit } from '../api/history.ts'
import { toLogEntry } from './log.ts'
import { loadRecordChange, recordDifferences } from './record-changes.ts'

/** One commit with what it changed. */
export async function showCommit(reader: ObjectReader, graph: CommitGraph, node: GraphNode): Promise<ShownCommit> {
  const parents = await Promise.all(node.parents.map(parent => graph.node(parent)))
  return { ...toLogEntry(node, await reader.readCommit(node.id)), changes: changesOf(reader, node, parents) }
}

async function* changesOf(
  reader: ObjectReader,
  node: GraphNode,
  [first, ...others]: readonly GraphNode[],
): AsyncGenerator<RecordChange, void, void> {
  for await (const difference of recordDifferences(reader, first?.tree, node.tree, undefined)) {
    const { after } = difference
    let isOwn = true
    for (const { tree } of others) {
      isOwn &&= !sameContent(await lookupRecord(reader, tree, difference), after)
    }
    if (isOwn) yield await loadRecordChange(reader, difference)
  }
}
