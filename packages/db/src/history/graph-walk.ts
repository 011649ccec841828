import { compareClock, type CommitGraph, type CommitId, type GraphNode } from '@atolldb/core'
import { breathe } from '../scheduling/breathe.ts'

/** Commits between two breaths. */
const BREATH = 256

/** Commits from one back, the latest first, each before its parents. Reads what it yields, and little more. */
export async function* walkGraph(graph: CommitGraph, from: CommitId): AsyncGenerator<GraphNode, void, void> {
  const seen = new Set<CommitId>([from])
  const frontier: GraphNode[] = [await graph.node(from)]
  for (let walked = 1; ; walked++) {
    if (walked % BREATH === 0) await breathe()
    const node = takeLatest(frontier)
    if (node === undefined) return
    yield node
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
