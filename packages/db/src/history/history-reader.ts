import type { CommitGraph, CommitId, GraphNode, ObjectReader } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { DiffOptions, LogEntry, LogOptions, RecordChange, Refs, ShownCommit, Snapshot } from '../api/history.ts'
import { eachNamed, namedObjects, readNamed } from '../engine/named-objects.ts'
import { resolveCommit } from './commit-names.ts'
import { walkLog } from './log.ts'
import type { PastMerges } from './past-merges.ts'
import { changesBetween } from './record-changes.ts'
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
  /** What a commit that is there names. */
  readonly #objects: ObjectReader

  constructor(parts: HistoryReaderParts) {
    this.#parts = parts
    this.#objects = namedObjects(parts.repository)
    this.refs = new RepositoryRefs(parts.repository, async commit => (await this.#resolve(commit)).id)
  }

  #resolve(commit: string): Promise<GraphNode> {
    const { repository, pastMerges } = this.#parts
    const lookUp = {
      directory: repository.directory,
      mergeOf: (heads: readonly CommitId[]) => pastMerges.of(heads),
      readRef: (name: string) => this.refs.get(name),
      idsWithPrefix: (prefix: string) => repository.idsWithPrefix(prefix),
    }
    return resolveCommit({ ...this.#parts, ...lookUp }, commit)
  }

  async at(commit: string): Promise<Snapshot> {
    return snapshotOf(this.#objects, await this.#resolve(commit))
  }

  async *log({ limit = Infinity, from, signal, ...scope }: LogOptions = {}): AsyncGenerator<LogEntry, void, void> {
    const { repository, graph, main } = this.#parts
    const checked = checkScope(scope)
    // Where nothing was ever committed, there is nothing to tell.
    if (from === undefined && main() === undefined) return
    const start = await this.#resolve(from ?? 'main')
    yield* eachNamed(repository, walkLog(repository, graph, start, { scope: checked, limit, signal }))
  }

  async show(commit: string): Promise<ShownCommit> {
    const { repository, graph } = this.#parts
    const node = await this.#resolve(commit)
    return readNamed(repository, () => showCommit(this.#objects, graph, node))
  }

  async *diff(
    from: string,
    to: string,
    { signal, ...scope }: DiffOptions = {},
  ): AsyncGenerator<RecordChange, void, void> {
    const checked = checkScope(scope)
    const [before, after] = [await this.#resolve(from), await this.#resolve(to)]
    yield* changesBetween(this.#objects, before.tree, after.tree, { scope: checked, signal })
  }
}
