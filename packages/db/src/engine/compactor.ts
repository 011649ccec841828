import { AtollError, isAtollError } from '@atolldb/core'
import type { CompactionOptions, CompactionSummary, Repository } from '@atolldb/git'
import type { CompactOptions, Log } from '../api/database.ts'
import type { Journal } from '../journal/journal.ts'
import { onTrustedDisk } from './trusted-disk.ts'

/** So long nothing must have been written before packs are merged, unless there are too many of them. */
const QUIET_MS = 250
/** After a failure that may pass (a full disk) it is tried again. */
const RETRY_MS = 60_000

/**
 * Keeps the packs of the repository few: looks after every move of `main`, and merges in a quiet moment, or at once when there
 * are as many as there may be. One merge at a time, in slices.
 */
export class Compactor {
  readonly #repository: Repository
  readonly #journal: Journal
  readonly #log: Log
  readonly #stopping = new AbortController()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<unknown> | undefined
  #notBefore = 0

  constructor(repository: Repository, journal: Journal, log: Log) {
    this.#repository = repository
    this.#journal = journal
    this.#log = log
  }

  /** A pack may have come. Costs next to nothing. */
  look(): void {
    if (this.#stopping.signal.aborted || this.#running !== undefined || this.#journal.failure !== undefined) return
    const need = this.#repository.compactionNeed
    if (need === 'none') return
    const wait = Math.max(need === 'overdue' ? 0 : QUIET_MS, this.#notBefore - performance.now())
    clearTimeout(this.#timer)
    // It must not keep a process alive whose owner forgot to close the database.
    this.#timer = setTimeout(() => this.#run(), wait).unref()
  }

  /**
   * All packs into one, at once. Waits for a merge under way.
   *
   * @throws ABORTED (nothing has changed), CLOSED, CORRUPT, STORAGE_FULL, STORAGE_FAILED (and no writes are taken any more)
   */
  async compactAll({ signal, onProgress }: CompactOptions): Promise<CompactionSummary> {
    const signals = [this.#stopping.signal, ...(signal === undefined ? [] : [signal])]
    const work = this.#compact({
      all: true,
      signal: AbortSignal.any(signals),
      ...(onProgress === undefined ? {} : { onProgress: (done, total) => onProgress({ done, total }) }),
    })
    const running = (this.#running = Promise.all([this.#running, work.catch(() => undefined)]))
    try {
      return await work
    } catch (error) {
      if (isAtollError(error, 'ABORTED') && this.#stopping.signal.aborted)
        throw new AtollError('CLOSED', 'the database was closed', { what: 'database' }, { cause: error })
      throw error
    } finally {
      if (this.#running === running) this.#running = undefined
    }
  }

  /** Merges no more; resolves when what was under way has stopped, which takes no longer than a slice of it. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await this.#running
  }

  #run(): void {
    if (this.#running !== undefined) return
    const running = (this.#running = this.#merge().finally(() => {
      if (this.#running === running) this.#running = undefined
      this.look()
    }))
  }

  #compact(options: CompactionOptions): Promise<CompactionSummary> {
    return onTrustedDisk(this.#journal, () => this.#repository.compact(options))
  }

  async #merge(): Promise<void> {
    const damaged = this.#repository.damagedPacks.length
    try {
      const summary = await this.#compact({ signal: this.#stopping.signal })
      this.#log('debug', 'packs were merged', { ...summary })
    } catch (error) {
      if (this.#stopping.signal.aborted) return
      this.#log('error', 'merging packs failed; they stay as they are', { error })
      // The others can be merged without a pack that was just found damaged.
      if (this.#repository.damagedPacks.length === damaged) this.#notBefore = performance.now() + RETRY_MS
    }
  }
}
