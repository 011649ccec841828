import {
  AtollError,
  type CommitGraph,
  type CommitId,
  compareClock,
  type GraphNode,
  invalid,
  isAtollError,
  isObjectId,
} from '@atolldb/core'
import { noCluster } from '../engine/branch.ts'
import { walkGraph } from './graph-walk.ts'
import { parseTimeExpression } from './time-expression.ts'

export interface CommitNamesParts {
  readonly graph: CommitGraph
  readonly main: () => CommitId | undefined
  /** The commit that a named ref names. */
  readonly readRef: (name: string) => Promise<CommitId | undefined>
  readonly nowMs: () => number
}

export const MIN_PREFIX_LENGTH = 4
const prefixPattern = new RegExp(`^[0-9a-f]{${MIN_PREFIX_LENGTH},40}$`)
const timePattern = /^@\{(.*)\}$/s

/** Could it be meant as the id of a commit, or the beginning of one? */
export function looksLikeCommitId(text: string): boolean {
  return prefixPattern.test(text.toLowerCase())
}

/**
 * The commit that a name means: `main`; an id, or four digits or more that only one commit of `main`'s history begins with; a
 * moment (`@{2026-03-01T12:00Z}`, `@{2 hours ago}`), for the latest commit in `main`'s history that is not later; or the name
 * of a ref.
 *
 * @throws MISSING (there is none), INVALID (ambiguous, or no name at all), NO_CLUSTER (nothing was ever committed)
 */
export async function resolveCommit(parts: CommitNamesParts, name: unknown): Promise<GraphNode> {
  const { graph, readRef, nowMs } = parts
  if (typeof name !== 'string') throw invalid('commit', 'must be a string')
  const main = parts.main()
  if (main === undefined) throw noCluster()
  if (name === 'main') return graph.node(main)
  const time = timePattern.exec(name)?.[1]
  if (time !== undefined) return commitAt(graph, main, name, parseTimeExpression(time, nowMs()))
  const id = name.toLowerCase()
  if (isObjectId(id)) return knownCommit(graph, id as CommitId)
  if (looksLikeCommitId(name)) return commitByPrefix(graph, main, id)
  const named = await readRef(name)
  if (named === undefined) throw missingCommit(name)
  return knownCommit(graph, named)
}

async function knownCommit(graph: CommitGraph, id: CommitId): Promise<GraphNode> {
  try {
    return await graph.node(id)
  } catch (error) {
    // Not there, an object of another type, or a commit of somebody else's making.
    if (isAtollError(error, 'MISSING') || isAtollError(error, 'REFUSED')) throw missingCommit(id, error)
    throw error
  }
}

async function commitAt(graph: CommitGraph, main: CommitId, name: string, ms: number): Promise<GraphNode> {
  const limit = { ms, counter: Infinity }
  for await (const node of walkGraph(graph, main)) if (compareClock(node.clock, limit) <= 0) return node
  throw missingCommit(name)
}

async function commitByPrefix(graph: CommitGraph, main: CommitId, prefix: string): Promise<GraphNode> {
  let found: GraphNode | undefined
  for await (const node of walkGraph(graph, main)) {
    if (!node.id.startsWith(prefix)) continue
    if (found !== undefined) throw invalid('commit', `${prefix} is ambiguous: ${found.id} and ${node.id} begin with it`)
    found = node
  }
  if (found === undefined) throw missingCommit(prefix)
  return found
}

export function missingCommit(name: string, cause?: unknown): AtollError<'MISSING'> {
  const shown = name.slice(0, 80)
  return new AtollError('MISSING', `no commit ${JSON.stringify(shown)}`, { what: 'commit', id: shown }, { cause })
}
