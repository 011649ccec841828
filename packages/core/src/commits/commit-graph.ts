import type { CommitObject, ObjectReader } from '../contracts/object-store.ts'
import { assert, isAtollError } from '../errors.ts'
import type { CommitId, NodeId, ObjectId } from '../ids.ts'
import { BoundedCache } from './bounded-cache.ts'
import { compareClock } from './clock.ts'
import type { Clock } from './clock.ts'
import { parseDataCommit } from './data-commit.ts'
import { assertMergeForm } from './merge-commit.ts'
import { refusal } from './refusal.ts'
import { parseRootCommit } from './root-commit.ts'
import { compareStamp } from './stamp.ts'
import type { Stamp } from './stamp.ts'

/** A commit that a node signed: the root commit counts as one, since it changed the first records. */
export interface DataNode {
  readonly id: CommitId
  readonly type: 'root' | 'data'
  /** As git has them: none, or the one `main` that the writer saw. */
  readonly parents: readonly CommitId[]
  /** The data commits that the writer saw as heads: the parent, or the parents of the merge commit that is the parent. */
  readonly seen: readonly CommitId[]
  readonly tree: ObjectId
  readonly clock: Clock
  readonly stamp: Stamp
}

/** A merge commit; its clock is the latest of its parents'. */
export interface MergeNode {
  readonly id: CommitId
  readonly type: 'merge'
  readonly parents: readonly CommitId[]
  readonly seen: readonly CommitId[]
  readonly tree: ObjectId
  readonly clock: Clock
}

export type GraphNode = DataNode | MergeNode

/** What a commit object says, before its parents are looked at. */
type BareNode =
  | { type: 'root' | 'data'; parents: readonly CommitId[]; tree: ObjectId; clock: Clock; node: NodeId }
  | { type: 'merge'; parents: readonly CommitId[]; tree: ObjectId }

const CACHED_COMMITS = 50_000

/**
 * The graph of commits, read from an object store and kept in a bounded cache. Every method throws what the store throws
 * for a commit it cannot give (MISSING, CORRUPT, …), and REFUSED for one that is not of a form that Atoll writes.
 */
export class CommitGraph {
  readonly #reader: Pick<ObjectReader, 'readCommit'>
  readonly #bare: BoundedCache<CommitId, BareNode>
  readonly #nodes: BoundedCache<CommitId, GraphNode>

  constructor(reader: Pick<ObjectReader, 'readCommit'>, options: { readonly cachedCommits?: number } = {}) {
    this.#reader = reader
    this.#bare = new BoundedCache(options.cachedCommits ?? CACHED_COMMITS)
    this.#nodes = new BoundedCache(options.cachedCommits ?? CACHED_COMMITS)
  }

  async node(id: CommitId): Promise<GraphNode> {
    const known = this.#nodes.get(id)
    if (known !== undefined) return known
    const bare = await this.#readBare(id)
    const node = bare.type === 'merge' ? await this.#mergeNode(id, bare) : await this.#dataNode(id, bare)
    this.#nodes.set(id, node)
    return node
  }

  /** A commit that is known to be a data commit or the root. */
  async dataNode(id: CommitId): Promise<DataNode> {
    const node = await this.node(id)
    assert(node.type !== 'merge', `${id} is a data commit`)
    return node
  }

  /** The data commits that `main` joins: itself, or its parents where it is a merge commit. */
  async headsOfMain(main: CommitId): Promise<readonly CommitId[]> {
    const node = await this.node(main)
    return node.type === 'merge' ? node.parents : [main]
  }

  /** Is the data commit `ancestor` the data commit `commit`, or an ancestor of it? Reads only what is later than `ancestor`. */
  async isAncestor(ancestor: CommitId, commit: CommitId): Promise<boolean> {
    if (ancestor === commit) return true
    const { clock } = await this.dataNode(ancestor)
    const visited = new Set<CommitId>([commit])
    const pending = [commit]
    for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
      const node = await this.dataNode(id)
      // Clocks strictly increase along ancestry, so nothing at or before that clock can descend from it.
      if (compareClock(node.clock, clock) <= 0) continue
      for (const seen of node.seen) {
        if (seen === ancestor) return true
        if (!visited.has(seen)) pending.push(seen)
        visited.add(seen)
      }
    }
    return false
  }

  async #dataNode(id: CommitId, bare: BareNode & { type: 'root' | 'data' }): Promise<DataNode> {
    const { type, parents, tree, clock, node } = bare
    let seen = parents
    const [parent] = parents
    if (parent !== undefined) {
      const bareParent = await this.#readBare(parent)
      if (bareParent.type === 'merge') seen = bareParent.parents
    }
    return { id, type, parents, seen, tree, clock, stamp: { clock, node, commit: id } }
  }

  async #mergeNode(id: CommitId, bare: BareNode & { type: 'merge' }): Promise<MergeNode> {
    let latest: Clock | undefined
    for (const parent of bare.parents) {
      const node = await this.#readBare(parent)
      if (node.type === 'merge') throw refusal('a merge commit has a merge commit as a parent', id)
      if (latest === undefined || compareClock(node.clock, latest) > 0) latest = node.clock
    }
    assert(latest !== undefined, 'a merge has parents')
    return { id, type: 'merge', parents: bare.parents, seen: bare.parents, tree: bare.tree, clock: latest }
  }

  async #readBare(id: CommitId): Promise<BareNode> {
    const known = this.#bare.get(id)
    if (known !== undefined) return known
    const commit = await this.#reader.readCommit(id)
    const bare = withCommitId(id, () => parseBare(commit))
    this.#bare.set(id, bare)
    return bare
  }
}

function parseBare(commit: CommitObject): BareNode {
  const { parents } = commit
  if (parents.length > 1) {
    assertMergeForm(commit)
    return { type: 'merge', parents, tree: commit.tree }
  }
  const type = parents.length === 0 ? 'root' : 'data'
  const { tree, clock, node } = type === 'root' ? parseRootCommit(commit) : parseDataCommit(commit)
  return { type, parents, tree, clock, node }
}

/** Adds the id of the commit in hand to a refusal of its form. */
function withCommitId<Result>(id: CommitId, parse: () => Result): Result {
  try {
    return parse()
  } catch (error) {
    if (isAtollError(error, 'REFUSED')) throw refusal(error.data.reason, id, error)
    throw error
  }
}

/** Data commits in the order of their stamps, the first first. */
export function byStamp(nodes: Iterable<DataNode>): DataNode[] {
  return [...nodes].sort((a, b) => compareStamp(a.stamp, b.stamp))
}
