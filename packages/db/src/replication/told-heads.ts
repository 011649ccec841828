import { BoundedCache, type CommitGraph, type CommitId, type GraphNode, isAtollError } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import { protocolError } from './frames.ts'

/** Heads that a peer told of, as they stand with us. */
export interface SortedHeads {
  /** Not in our repository. */
  readonly missing: readonly CommitId[]
  /** In our repository, but perhaps not in the history of `main`: a crash came between, or our clock was behind theirs. */
  readonly present: readonly CommitId[]
  /** In the history of `main`. */
  readonly adopted: readonly CommitId[]
}

const REMEMBERED_COMMITS = 10_000

/** Sorts what peers tell, and remembers what is settled: the same heads are told again and again. */
export class ToldHeads {
  readonly #repository: Repository
  readonly #graph: CommitGraph
  /** In the history of `main`, which only grows. */
  readonly #adopted = new BoundedCache<CommitId, true>(REMEMBERED_COMMITS)

  constructor(repository: Repository, graph: CommitGraph) {
    this.#repository = repository
    this.#graph = graph
  }

  /** @throws PROTOCOL when one of them is no data commit */
  async sort(heads: readonly CommitId[], ours: readonly CommitId[]): Promise<SortedHeads> {
    this.noteAdopted(ours)
    const missing: CommitId[] = []
    const present: CommitId[] = []
    const adopted: CommitId[] = []
    for (const head of new Set(heads)) {
      if (this.#adopted.get(head) === true) adopted.push(head)
      else if (!(await this.#repository.has(head))) missing.push(head)
      else if ((await this.#nodeOf(head)).type !== 'merge') present.push(head)
      else throw noDataCommit(head)
    }
    return { missing, present, adopted }
  }

  noteAdopted(commits: readonly CommitId[]): void {
    for (const commit of commits) this.#adopted.set(commit, true)
  }

  async #nodeOf(head: CommitId): Promise<GraphNode> {
    try {
      return await this.#graph.node(head)
    } catch (error) {
      // It is here, and is a blob or a tree.
      if (isAtollError(error, 'MISSING')) throw noDataCommit(head, error)
      throw error
    }
  }
}

function noDataCommit(id: CommitId, cause?: unknown): Error {
  return protocolError(`it names as a head what is no data commit: ${id}`, cause)
}
