import {
  AtollError,
  type CommitGraph,
  type CommitId,
  compareClock,
  type GraphNode,
  headsAt,
  invalid,
  isAtollError,
  isObjectId,
  isSameHeads,
  type ObjectId,
} from '@atolldb/core'
import { noCluster } from '../engine/branch.ts'
import { readNamed } from '../engine/named-objects.ts'
import { breathe } from '../scheduling/breathe.ts'
import { walkGraph } from './graph-walk.ts'
import { parseTimeExpression } from './time-expression.ts'

export interface CommitNamesParts {
  readonly graph: CommitGraph
  /** Of the repository. */
  readonly directory: string
  /** The ids of all objects that begin so. */
  readonly idsWithPrefix: (prefix: string) => Promise<readonly ObjectId[]>
  readonly main: () => CommitId | undefined
  /** The commit that a named ref names. */
  readonly readRef: (name: string) => Promise<CommitId | undefined>
  /** The merge commit of two heads or more. */
  readonly mergeOf: (heads: readonly CommitId[]) => Promise<CommitId>
  readonly nowMs: () => number
}

export const MIN_PREFIX_LENGTH = 4
const prefixPattern = new RegExp(`^[0-9a-f]{${MIN_PREFIX_LENGTH},40}$`)
const shortPrefixPattern = new RegExp(`^[0-9a-f]{1,${MIN_PREFIX_LENGTH - 1}}$`)
const timePattern = /^@\{(.*)\}$/s

/** Could it be meant as the id of a commit, or the beginning of one? */
export function looksLikeCommitId(text: string): boolean {
  return prefixPattern.test(text.toLowerCase())
}

/**
 * The commit that a name means: `main`; an id, or four digits or more that only one commit begins with, or one of `main`'s
 * history beside others that are not of it; a moment (`@{2026-03-01T12:00Z}`, `@{2 hours ago}`), for the state of all that is in
 * `main`'s history and not later; or the name of a ref.
 *
 * @throws MISSING (there is none), INVALID (ambiguous, or no name at all), NO_CLUSTER (nothing was ever committed), CORRUPT (there
 * was one, and it is gone); where the state of a moment has to be made, STORAGE_FULL, STORAGE_FAILED
 */
export async function resolveCommit(parts: CommitNamesParts, name: unknown): Promise<GraphNode> {
  const { graph, readRef, nowMs } = parts
  if (typeof name !== 'string') throw invalid('commit', 'must be a string')
  const main = parts.main()
  if (main === undefined) throw noCluster()
  if (name === 'main') return readNamed(parts, () => graph.node(main))
  const time = timePattern.exec(name)?.[1]
  if (time !== undefined) return commitAt(parts, main, name, parseTimeExpression(time, nowMs()))
  const id = name.toLowerCase()
  if (isObjectId(id)) return knownCommit(graph, id as CommitId)
  if (looksLikeCommitId(name)) return commitByPrefix(parts, main, id)
  const named = await refIfAny(readRef, name)
  if (named !== undefined) return readNamed(parts, () => graph.node(named))
  throw shortPrefixPattern.test(id) ? noCommitName(name) : missingCommit(name)
}

/** @throws INVALID, in words for a commit: that a ref cannot be called so says little to one who meant none */
async function refIfAny(readRef: CommitNamesParts['readRef'], name: string): Promise<CommitId | undefined> {
  try {
    return await readRef(name)
  } catch (error) {
    throw isAtollError(error, 'INVALID') ? noCommitName(name) : error
  }
}

function noCommitName(name: string): AtollError<'INVALID'> {
  const forms = `main, an id or the first ${MIN_PREFIX_LENGTH} digits of one or more, a ref, or a moment like @{2 hours ago}`
  return invalid('commit', `${JSON.stringify(name.slice(0, 80))} names none: take ${forms}`)
}

async function knownCommit(graph: CommitGraph, id: CommitId): Promise<GraphNode> {
  const node = await commitIfAny(graph, id)
  if (node === undefined) throw missingCommit(id)
  return node
}

/** Undefined where it is not there, an object of another type, or a commit of somebody else's making. */
async function commitIfAny(graph: CommitGraph, id: CommitId): Promise<GraphNode | undefined> {
  try {
    return await graph.node(id)
  } catch (error) {
    if (isAtollError(error, 'MISSING') || isAtollError(error, 'REFUSED')) return undefined
    throw error
  }
}

/** What `main` of a node would be that has all that was written by then, and nothing else. */
async function commitAt(parts: CommitNamesParts, main: CommitId, name: string, ms: number): Promise<GraphNode> {
  const { graph, mergeOf } = parts
  const found = await readNamed(parts, async () => {
    const present = await graph.headsOfMain(main)
    const heads = await headsAt(graph, present, ms, { breathe })
    const [first, ...others] = heads
    if (first === undefined) return undefined
    if (isSameHeads(heads, present)) return graph.node(main)
    return graph.node(others.length === 0 ? first : await mergeOf(heads))
  })
  if (found === undefined) throw missingCommit(name)
  return found
}

/** Looked up where ids are sorted. The history is walked only to choose between commits, and as far back as these are. */
async function commitByPrefix(parts: CommitNamesParts, main: CommitId, prefix: string): Promise<GraphNode> {
  const { graph, idsWithPrefix } = parts
  const found: GraphNode[] = []
  for (const id of await idsWithPrefix(prefix)) {
    const node = await commitIfAny(graph, id as CommitId)
    if (node !== undefined) found.push(node)
  }
  const [first, ...others] = found
  if (first === undefined) throw missingCommit(prefix)
  if (others.length === 0) return first
  const ofHistory = await readNamed(parts, () => inHistory(graph, main, found))
  const [one, another] = ofHistory.length > 0 ? ofHistory : found
  if (one === undefined || another !== undefined)
    throw invalid('commit', `${prefix} is ambiguous: ${one?.id} and ${another?.id} begin with it`)
  return one
}

/** Those of some commits that are in the history of `main`. */
async function inHistory(graph: CommitGraph, main: CommitId, nodes: readonly GraphNode[]): Promise<GraphNode[]> {
  const byId = new Map(nodes.map(node => [node.id, node]))
  const found: GraphNode[] = []
  for await (const node of walkGraph(graph, main)) {
    if (byId.delete(node.id)) found.push(node)
    // The latest come first: what is left would have come by now.
    if (![...byId.values()].some(({ clock }) => compareClock(clock, node.clock) <= 0)) break
  }
  return found
}

export function missingCommit(name: string): AtollError<'MISSING'> {
  const shown = name.slice(0, 80)
  return new AtollError('MISSING', `no commit ${JSON.stringify(shown)}`, { what: 'commit', id: shown })
}
