import { CommitGraph, type CommitId, isAtollError, type ObjectId, type TreeEntry } from '@atolldb/core'
import { type ObjectType, type Repository, verifyCommitSignature } from '@atolldb/git'
import { breathe } from '../scheduling/breathe.ts'
import { type Finding, type OnDoctorProgress, REPAIR_FROM } from './finding.ts'

export interface GraphCheck {
  readonly findings: readonly Finding[]
  /** What is named and cannot be read, and nothing behind it. */
  readonly missing: ReadonlyMap<ObjectId, ObjectType>
  readonly commits: number
}

const BREATH_COMMITS = 64

/**
 * Everything that the heads given lead to: commits of a form that Atoll writes, signed by their nodes, with all trees and
 * blobs. Each commit costs what differs from its parents. Contents of blobs are not read: that is what the check of packs is
 * for.
 *
 * @throws NOT_ACCESSIBLE, STORAGE_FAILED
 */
export async function checkGraph(
  repository: Repository,
  heads: Iterable<CommitId>,
  onProgress?: OnDoctorProgress,
): Promise<GraphCheck> {
  const walk = new GraphWalk(repository)
  const pending = [...new Set(heads)]
  const visited = new Set(pending)
  for (let id = pending.pop(); id !== undefined; id = pending.pop()) {
    for (const parent of await walk.commit(id)) {
      if (!visited.has(parent)) pending.push(parent)
      visited.add(parent)
    }
    if (visited.size % BREATH_COMMITS === 0) await breathe()
    onProgress?.({ check: 'graph', done: visited.size - pending.length, total: visited.size })
  }
  return { findings: walk.findings, missing: walk.missing, commits: visited.size }
}

class GraphWalk {
  readonly missing = new Map<ObjectId, ObjectType>()
  readonly #repository: Repository
  readonly #graph: CommitGraph
  readonly #refused: Finding[] = []

  constructor(repository: Repository) {
    this.#repository = repository
    this.#graph = new CommitGraph(repository)
  }

  get findings(): Finding[] {
    const { missing } = this
    const [first] = missing
    if (first === undefined) return this.#refused
    const [id, type] = first
    const reason =
      missing.size === 1
        ? `the ${type} ${id} is missing`
        : `${missing.size} objects are missing, one is the ${type} ${id}`
    return [...this.#refused, { check: 'graph', file: this.#repository.directory, reason, repair: REPAIR_FROM }]
  }

  /** Checks a commit and what is new in its tree; gives its parents. */
  async commit(id: CommitId): Promise<readonly CommitId[]> {
    const commit = await this.#orMissing(id, 'commit', () => this.#repository.readCommit(id))
    if (commit === undefined) return []
    const older: ObjectId[] = []
    for (const parent of commit.parents) {
      const tree = await this.#ifThere(async () => (await this.#repository.readCommit(parent)).tree)
      if (tree !== undefined) older.push(tree)
    }
    await this.#tree(commit.tree, older)
    const node = await this.#ifThere(() => this.#graph.node(id))
    if (node !== undefined && node.type !== 'merge' && !verifyCommitSignature(commit, node.stamp.node))
      this.#refuse(id, 'its signature is not by its node')
    return commit.parents
  }

  /** What lies below a tree and not at the same place in an older one. */
  async #tree(id: ObjectId, older: readonly ObjectId[]): Promise<void> {
    if (older.includes(id) || this.missing.has(id)) return
    const entries = await this.#orMissing(id, 'tree', () => this.#repository.readTree(id))
    if (entries === undefined) return
    const before: (readonly TreeEntry[])[] = []
    for (const tree of older) before.push((await this.#ifThere(() => this.#repository.readTree(tree))) ?? [])
    const olderByName = new Map<string, ObjectId[]>()
    for (const entry of before.flat()) olderByName.set(entry.name, [...(olderByName.get(entry.name) ?? []), entry.id])
    for (const entry of entries) {
      const known = olderByName.get(entry.name) ?? []
      if (entry.type === 'tree') await this.#tree(entry.id, known)
      else if (!known.includes(entry.id) && !(await this.#hasBlob(entry.id))) this.missing.set(entry.id, 'blob')
    }
  }

  /** A loose one is read to know it. */
  async #hasBlob(id: ObjectId): Promise<boolean> {
    return (await this.#orMissing(id, 'blob', () => this.#repository.has(id))) ?? false
  }

  async #orMissing<Result>(id: ObjectId, type: ObjectType, read: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await read()
    } catch (error) {
      if (!isAtollError(error, 'MISSING') && !isAtollError(error, 'CORRUPT')) throw error
      this.missing.set(id, type)
      return undefined
    }
  }

  /** What cannot be read is found where it is looked for itself. */
  async #ifThere<Result>(read: () => Promise<Result>): Promise<Result | undefined> {
    try {
      return await read()
    } catch (error) {
      if (isAtollError(error, 'REFUSED')) this.#refuse(error.data.commit ?? 'a commit', error.data.reason)
      else if (!isAtollError(error, 'MISSING') && !isAtollError(error, 'CORRUPT')) throw error
      return undefined
    }
  }

  #refuse(id: string, problem: string): void {
    const { directory } = this.#repository
    this.#refused.push({ check: 'graph', file: directory, reason: `commit ${id}: ${problem}`, repair: REPAIR_FROM })
  }
}
