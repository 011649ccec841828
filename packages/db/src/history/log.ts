import {
  AtollError,
  BoundedCache,
  type CommitGraph,
  type CommitObject,
  conflictCollection,
  findCollectionRoot,
  type GraphNode,
  lookupRecord,
  type ObjectId,
  type ObjectReader,
  type RecordRef,
} from '@atolldb/core'
import type { LogEntry } from '../api/history.ts'
import { walkGraph } from './graph-walk.ts'
import { loadRecordChange } from './record-changes.ts'
import type { CheckedScope, ScopePart } from './record-scope.ts'

export interface WalkOptions {
  readonly scope: CheckedScope | undefined
  readonly limit: number
  readonly signal: AbortSignal | undefined
}

/**
 * Commits from one back, the latest first, each before its parents. With a scope, those that changed something in it: a data
 * commit that differs there from its parent, a merge commit that differs there from every one of its parents. Looks at every
 * commit on the way, at each for the price of one lookup.
 */
export async function* walkLog(
  reader: ObjectReader,
  graph: CommitGraph,
  from: GraphNode,
  { scope, limit, signal }: WalkOptions,
): AsyncGenerator<LogEntry, void, void> {
  let left = limit
  if (left <= 0) return
  const marks = scope === undefined ? undefined : new ScopeMarks(reader, scope)
  for await (const node of walkGraph(graph, from.id)) {
    if (signal?.aborted === true) throw new AtollError('ABORTED', 'the log was aborted', { what: 'log' })
    const parents = await Promise.all(node.parents.map(parent => graph.node(parent)))
    const changed = await marks?.changedBy(node, parents)
    if (marks !== undefined && changed === undefined) continue
    const entry = toLogEntry(node, await reader.readCommit(node.id))
    const { kind, collection, id } = changed ?? {}
    if (kind === undefined || collection === undefined || id === undefined) yield entry
    else yield { ...entry, change: await changeOf(reader, { kind, collection, id }, node, parents[0]) }
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

async function changeOf(reader: ObjectReader, ref: RecordRef, node: GraphNode, parent: GraphNode | undefined) {
  const before = await lookupRecord(reader, parent?.tree, ref)
  return loadRecordChange(reader, { ...ref, before, after: await lookupRecord(reader, node.tree, ref) })
}

/** Marks of a few generations: each commit's is asked for again as its children's parent. */
const CACHED_MARKS = 4_096

/** What a tree has in a part of a scope, as a text that is the same where it is the same; conflict entries are a part of it. */
class ScopeMarks {
  readonly #reader: ObjectReader
  readonly #scope: CheckedScope
  readonly #cache = new BoundedCache<string, string>(CACHED_MARKS)

  constructor(reader: ObjectReader, scope: CheckedScope) {
    this.#reader = reader
    this.#scope = scope
  }

  /** The first part of the scope in which a commit differs from every one of its parents. */
  async changedBy(node: GraphNode, parents: readonly GraphNode[]): Promise<ScopePart | undefined> {
    for (const part of this.#scope) if (await this.#differs(part, node, parents)) return part
    return undefined
  }

  async #differs(part: ScopePart, node: GraphNode, parents: readonly GraphNode[]): Promise<boolean> {
    const mark = await this.#mark(part, node.tree)
    if (parents.length === 0) return mark !== (await this.#compute(part, undefined))
    for (const parent of parents) if ((await this.#mark(part, parent.tree)) === mark) return false
    return true
  }

  async #mark(part: ScopePart, tree: ObjectId): Promise<string> {
    const key = `${part.kind} ${tree}`
    const known = this.#cache.get(key)
    if (known !== undefined) return known
    const mark = await this.#compute(part, tree)
    this.#cache.set(key, mark)
    return mark
  }

  async #compute({ kind, collection, id }: ScopePart, tree: ObjectId | undefined): Promise<string> {
    const conflicts = conflictCollection(kind, collection)
    if (id === undefined) {
      const root = await findCollectionRoot(this.#reader, tree, kind, collection)
      const entries = await findCollectionRoot(this.#reader, tree, 'objects', conflicts)
      return `${root?.id} ${entries?.id}`
    }
    const content = await lookupRecord(this.#reader, tree, { kind, collection, id })
    const entry = await lookupRecord(this.#reader, tree, { kind: 'objects', collection: conflicts, id })
    return `${content?.format} ${content?.version} ${entry?.version}`
  }
}
