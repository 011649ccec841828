import type { CommitGraph, CommitId } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { LogEntry, LogOptions } from '../api/database.ts'
import type { Snapshot } from '../api/history.ts'
import { resolveCommit } from './commit-names.ts'
import { walkLog } from './log.ts'
import { snapshotOf } from './snapshot.ts'

export interface HistoryReaderParts {
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly main: () => CommitId | undefined
  readonly nowMs: () => number
}

/** What was: reads of the repository, which never wait for a write and never change anything. */
export class HistoryReader {
  readonly #parts: HistoryReaderParts

  constructor(parts: HistoryReaderParts) {
    this.#parts = parts
  }

  async at(commit: string): Promise<Snapshot> {
    const { graph, main, nowMs, repository } = this.#parts
    const node = await resolveCommit({ graph, main, nowMs, readRef: async () => undefined }, commit)
    return snapshotOf(repository, node)
  }

  log(options: LogOptions = {}): AsyncIterable<LogEntry> {
    const { repository, graph, main } = this.#parts
    return walkLog(repository, graph, main(), options)
  }
}
