import {
  AtollError,
  type CommitGraph,
  type CommitId,
  type CommitObject,
  type GraphNode,
  type ObjectReader,
} from '@atolldb/core'
import type { LogEntry, LogOptions } from '../api/database.ts'
import { walkGraph } from './graph-walk.ts'

/** Commits from `main` back, the latest first, each before its parents. */
export async function* walkLog(
  reader: Pick<ObjectReader, 'readCommit'>,
  graph: CommitGraph,
  main: CommitId | undefined,
  options: LogOptions,
): AsyncGenerator<LogEntry> {
  let left = options.limit ?? Infinity
  if (main === undefined || left <= 0) return
  for await (const node of walkGraph(graph, main)) {
    if (options.signal?.aborted === true) throw new AtollError('ABORTED', 'the log was aborted', { what: 'log' })
    yield toLogEntry(node, await reader.readCommit(node.id))
    if (--left <= 0) return
  }
}

export function toLogEntry(node: GraphNode, { author, message }: CommitObject): LogEntry {
  return {
    commit: node.id,
    type: node.type,
    parents: node.parents,
    author: node.type === 'merge' ? { name: author.name } : { name: author.name, node: node.stamp.node },
    time: new Date(node.clock.ms),
    subject: message.slice(0, message.indexOf('\n')),
  }
}
