import {
  BoundedCache,
  type ChangeLists,
  type CommitGraph,
  type CommitId,
  mainOf,
  mergeHeads,
  type RuleRunner,
} from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import { breathe } from '../scheduling/breathe.ts'

export interface PastMergesParts {
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly changes: ChangeLists
  readonly rules: RuleRunner
  /** Runs work that makes something durable. */
  readonly keep: <Result>(work: () => Promise<Result>) => Promise<Result>
  /** A pack was added. */
  readonly onWritten: () => void
}

/** Whoever pages through a moment asks for its commit again and again. */
const REMEMBERED = 256

/**
 * The merge commits of heads that no `main` of this node need ever have joined: the states of moments. One is written when it is
 * first asked for, so that its id means the same to whoever is given it, also later; nothing names it, so stock `git gc` may
 * drop it, and then it is made again.
 */
export class PastMerges {
  readonly #parts: PastMergesParts
  /** By their heads; what is under way is waited for. */
  readonly #merges = new BoundedCache<string, Promise<CommitId>>(REMEMBERED)

  constructor(parts: PastMergesParts) {
    this.#parts = parts
  }

  /** @param heads data commits, none an ancestor of another, sorted by id. @throws STORAGE_FULL, STORAGE_FAILED */
  async of(heads: readonly CommitId[]): Promise<CommitId> {
    const key = heads.join(' ')
    const known = await this.#merges.get(key)?.catch(() => undefined)
    if (known !== undefined && (await this.#parts.repository.has(known))) return known
    const made = this.#make(heads)
    this.#merges.set(key, made)
    return made
  }

  async #make(heads: readonly CommitId[]): Promise<CommitId> {
    const { repository, graph, changes, rules, keep, onWritten } = this.#parts
    const stage = repository.stage()
    const state = await mergeHeads({ store: stage, graph, changes, rules, breathe }, heads)
    const { id } = await mainOf({ store: stage, graph }, state)
    // Where somebody made a commit upon it, it is there.
    if (await repository.has(id)) return id
    await keep(() => stage.commit())
    onWritten()
    return id
  }
}
