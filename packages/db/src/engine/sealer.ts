import { isAtollError, MAX_COMMIT_CHANGES, MAX_COMMIT_VALUE_BYTES } from '@atolldb/core'
import type { Log } from '../api/database.ts'
import type { History } from './history.ts'
import type { RecordStore } from './record-store.ts'

/** A lone write is sealed this soon: long enough for its neighbours to come along. */
const QUIET_DELAY_MS = 10
/** So many quick seals may follow each other before a stream of writes is sealed once in `maxDelayMs` only. */
const QUICK_SEALS = 8
const RETRY_MS = 1_000

/**
 * Decides when pending writes become a commit: at once when they fill one, 10 ms after a lone write, and in a stream at most
 * once in `maxDelayMs`. Quick seals are counted by a token bucket, so that a person's writes are never held up.
 */
export class Sealer {
  readonly #history: History
  readonly #store: RecordStore
  readonly #maxDelayMs: number
  readonly #monotonicMs: () => number
  readonly #log: Log
  #tokens = QUICK_SEALS
  #refilledMs: number
  #timer: NodeJS.Timeout | undefined
  #dueMs = Infinity
  #sealing: Promise<void> | undefined
  #stopped = false

  constructor(parts: {
    readonly history: History
    readonly store: RecordStore
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

  /** Something is pending. */
  wake(): void {
    if (this.#stopped || this.#sealing !== undefined || this.#store.pendingChanges === 0) return
    if (!this.#history.hasBegun) return
    this.#arm(this.#isFull() ? 0 : this.#refilled() >= 1 ? QUIET_DELAY_MS : this.#maxDelayMs)
  }

  #isFull(): boolean {
    return this.#store.pendingChanges >= MAX_COMMIT_CHANGES || this.#store.pendingBytes >= MAX_COMMIT_VALUE_BYTES
  }

  #arm(delayMs: number): void {
    const dueMs = this.#monotonicMs() + delayMs
    if (this.#timer !== undefined && this.#dueMs <= dueMs) return
    clearTimeout(this.#timer)
    this.#dueMs = dueMs
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#tokens = Math.max(0, this.#refilled() - 1)
      this.#sealing = this.#seal()
    }, delayMs)
  }

  async #seal(): Promise<void> {
    try {
      await this.#history.sealOnce()
      this.#sealing = undefined
      this.wake()
    } catch (error) {
      this.#sealing = undefined
      this.#log('error', 'sealing failed; the journal keeps what is pending', { error })
      if (!this.#stopped && !isAtollError(error, 'STORAGE_FAILED')) this.#arm(RETRY_MS)
    }
  }

  /** Tokens with what has come in since the last look. */
  #refilled(): number {
    const nowMs = this.#monotonicMs()
    this.#tokens = Math.min(QUICK_SEALS, this.#tokens + (nowMs - this.#refilledMs) / this.#maxDelayMs)
    this.#refilledMs = nowMs
    return this.#tokens
  }

  /** Seals no more by itself; resolves when a seal under way has ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#sealing
  }
}
