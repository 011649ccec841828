import {
  AtollError,
  compareClock,
  type CommitGraph,
  type CommitId,
  type CommitObject,
  type GraphNode,
  type ObjectReader,
} from '@atolldb/core'
import type { LogEntry, LogOptions } from '../api/database.ts'

/** Commits from `main` back, the latest first, each before its parents. Reads what it yields, and little more. */
export async function* walkLog(
  reader: Pick<ObjectReader, 'readCommit'>,
  graph: CommitGraph,
  main: CommitId | undefined,
  options: LogOptions,
): AsyncGenerator<LogEntry> {
  if (main === undefined) return
  let left = options.limit ?? Infinity
  const seen = new Set<CommitId>([main])
  const frontier: GraphNode[] = [await graph.node(main)]
  while (left-- > 0) {
    if (options.signal?.aborted === true) throw new AtollError('ABORTED', 'the log was aborted', { what: 'log' })
    const node = takeLatest(frontier)
    if (node === undefined) return
    yield toEntry(node, await reader.readCommit(node.id))
    for (const parent of node.parents) {
      if (seen.has(parent)) continue
      seen.add(parent)
      frontier.push(await graph.node(parent))
    }
  }
}

/** The frontier is as wide as histories run side by side: a search is cheap. */
function takeLatest(frontier: GraphNode[]): GraphNode | undefined {
  let latest = 0
  for (let i = 1; i < frontier.length; i++) if (isLater(frontier[i], frontier[latest])) latest = i
  return frontier.splice(latest, 1)[0]
}

/** A merge commit has the clock of its latest parent, and goes before it. */
function isLater(a: GraphNode | undefined, b: GraphNode | undefined): boolean {
  if (a === undefined || b === undefined) return false
  const order = compareClock(a.clock, b.clock)
  return order > 0 || (order === 0 && a.type === 'merge' && b.type !== 'merge')
}

function toEntry(node: GraphNode, { author, message }: CommitObject): LogEntry {
  return {
    commit: node.id,
    type: node.type,
    parents: node.parents,
    author: node.type === 'merge' ? { name: author.name } : { name: author.name, node: node.stamp.node },
    time: new Date(node.clock.ms),
    subject: message.slice(0, message.indexOf('\n')),
  }
}
