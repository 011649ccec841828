import type { CommitGraph, CommitId, GraphNode } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { DiffOptions, LogEntry, LogOptions, RecordChange, Refs, ShownCommit, Snapshot } from '../api/history.ts'
import { resolveCommit } from './commit-names.ts'
import { walkLog } from './log.ts'
import type { PastMerges } from './past-merges.ts'
import { recordChanges } from './record-changes.ts'
import { checkScope } from './record-scope.ts'
import { RepositoryRefs } from './refs.ts'
import { showCommit } from './show.ts'
import { snapshotOf } from './snapshot.ts'

export interface HistoryReaderParts {
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly main: () => CommitId | undefined
  readonly pastMerges: PastMerges
  readonly nowMs: () => number
}

/**
 * What was: reads of the repository, which never wait for a write. They change a named ref at most, and add the merge commit of
 * a moment whose state is no commit's.
 */
export class HistoryReader {
  readonly refs: Refs
  readonly #parts: HistoryReaderParts

  constructor(parts: HistoryReaderParts) {
    this.#parts = parts
    this.refs = new RepositoryRefs(parts.repository, async commit => (await this.#resolve(commit)).id)
  }

  #resolve(commit: string): Promise<GraphNode> {
    const { repository, pastMerges } = this.#parts
    const lookUp = {
      mergeOf: (heads: readonly CommitId[]) => pastMerges.of(heads),
      readRef: (name: string) => this.refs.get(name),
      idsWithPrefix: (prefix: string) => repository.idsWithPrefix(prefix),
    }
    return resolveCommit({ ...this.#parts, ...lookUp }, commit)
  }

  async at(commit: string): Promise<Snapshot> {
    return snapshotOf(this.#parts.repository, await this.#resolve(commit))
  }

  async *log({ limit = Infinity, from, signal, ...scope }: LogOptions = {}): AsyncGenerator<LogEntry, void, void> {
    const { repository, graph, main } = this.#parts
    const checked = checkScope(scope)
    // Where nothing was ever committed, there is nothing to tell.
    if (from === undefined && main() === undefined) return
    yield* walkLog(repository, graph, await this.#resolve(from ?? 'main'), { scope: checked, limit, signal })
  }

  async show(commit: string): Promise<ShownCommit> {
    const { repository, graph } = this.#parts
    return showCommit(repository, graph, await this.#resolve(commit))
  }

  async *diff(
    from: string,
    to: string,
    { signal, ...scope }: DiffOptions = {},
  ): AsyncGenerator<RecordChange, void, void> {
    const checked = checkScope(scope)
    const [before, after] = [await this.#resolve(from), await this.#resolve(to)]
    yield* recordChanges(this.#parts.repository, before.tree, after.tree, { scope: checked, signal })
  }
}
