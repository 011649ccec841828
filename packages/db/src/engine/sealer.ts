import { isAtollError, MAX_COMMIT_CHANGES, MAX_COMMIT_VALUE_BYTES } from '@atolldb/core'
import type { Log } from '../api/database.ts'
import type { History } from './history.ts'
import type { RecordStore } from './record-store.ts'

/** A write with no neighbour for so long is a lone one, or the last of a row: it is sealed now. */
const QUIET_MS = 5
/** So many seals may follow each other quickly before writes at some distance are taken for a stream too. */
const QUICK_SEALS = 8
/** So much may wait while writes keep coming: a burst is over sooner if it is not sealed at once. */
const BURST_CHANGES = 12 * MAX_COMMIT_CHANGES
const BURST_BYTES = 2.5 * MAX_COMMIT_VALUE_BYTES
const RETRY_MS = 1_000

/**
 * Decides when pending writes become a commit: a lone write within 10 ms, a stream once in `maxDelayMs`, and at once when more
 * waits than a burst may leave behind. Quick seals are counted by a token bucket, so that a person's writes are never held up.
 */
export class Sealer {
  readonly #history: Pick<History, 'hasBegun' | 'sealOnce'>
  readonly #store: Pick<RecordStore, 'pendingChanges' | 'pendingBytes'>
  readonly #maxDelayMs: number
  readonly #monotonicMs: () => number
  readonly #log: Log
  #tokens = QUICK_SEALS
  #refilledMs: number
  /** When what waits longest came, and when the newest did. */
  #firstMs = 0
  #lastMs = 0
  #timer: NodeJS.Timeout | undefined
  #dueMs = 0
  #isRetry = false
  #sealing: Promise<void> | undefined
  #stopped = false

  constructor(parts: {
    readonly history: Pick<History, 'hasBegun' | 'sealOnce'>
    readonly store: Pick<RecordStore, 'pendingChanges' | 'pendingBytes'>
    readonly maxDelayMs: number
    readonly monotonicMs: () => number
    readonly log: Log
  }) {
    this.#history = parts.history
    this.#store = parts.store
    this.#maxDelayMs = parts.maxDelayMs
    this.#monotonicMs = parts.monotonicMs
    this.#log = parts.log
    this.#refilledMs = parts.monotonicMs()
  }

  /** Something became pending. */
  wake(): void {
    this.#lastMs = this.#monotonicMs()
    if (this.#sealing !== undefined) return
    if (this.#timer === undefined) {
      this.#firstMs = this.#lastMs
      this.#arm(QUIET_MS)
    } else if (this.#dueMs - this.#lastMs > QUIET_MS && !this.#isRetry && this.#fillsCommit()) this.#arm(QUIET_MS)
  }

  #arm(delayMs: number, isRetry = false): void {
    if (this.#stopped || this.#store.pendingChanges === 0 || !this.#history.hasBegun) return
    clearTimeout(this.#timer)
    this.#dueMs = this.#monotonicMs() + delayMs
    this.#isRetry = isRetry
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      const waitMs = this.#waitMs()
      if (waitMs > 0) this.#arm(waitMs)
      else this.#sealing = this.#seal()
    }, delayMs)
  }

  /** How long what is pending should wait still. */
  #waitMs(): number {
    if (this.#holds(BURST_CHANGES, BURST_BYTES)) return 0
    const nowMs = this.#monotonicMs()
    const quietMs = nowMs - this.#lastMs
    const oldMs = nowMs - this.#firstMs
    if (oldMs >= this.#maxDelayMs) return 0
    if (quietMs < QUIET_MS) return Math.min(QUIET_MS, this.#maxDelayMs - oldMs)
    // Nothing is coming any more: what fills a commit would not grow, and waits for nothing.
    if (this.#fillsCommit() || this.#takeToken()) return 0
    return this.#maxDelayMs - oldMs
  }

  #fillsCommit(): boolean {
    return this.#holds(MAX_COMMIT_CHANGES, MAX_COMMIT_VALUE_BYTES)
  }

  #holds(changes: number, bytes: number): boolean {
    return this.#store.pendingChanges >= changes || this.#store.pendingBytes >= bytes
  }

  async #seal(): Promise<void> {
    try {
      await this.#history.sealOnce()
      this.#sealing = undefined
      this.#firstMs = this.#monotonicMs()
      this.#arm(QUIET_MS)
    } catch (error) {
      this.#sealing = undefined
      this.#log('error', 'sealing failed; the journal keeps what is pending', { error })
      if (!isAtollError(error, 'STORAGE_FAILED')) this.#arm(RETRY_MS, true)
    }
  }

  #takeToken(): boolean {
    const nowMs = this.#monotonicMs()
    this.#tokens = Math.min(QUICK_SEALS, this.#tokens + (nowMs - this.#refilledMs) / this.#maxDelayMs)
    this.#refilledMs = nowMs
    if (this.#tokens < 1) return false
    this.#tokens--
    return true
  }

  /** Seals no more by itself; resolves when a seal under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#sealing
  }
}
