import { breathe } from './breathe.ts'

const TURN_MS = 10
/** Looking at the clock costs as much as a cached read. */
const CALLS_A_LOOK = 64

/**
 * Calls that are answered from memory resolve without the loop turning, so callers that go on at once would keep timers and
 * sockets waiting for as long as they like. When a turn has been theirs for 10 ms, all of them wait for the next.
 */
export class FairTurns {
  #calls = 0
  #startedMs = performance.now()
  #next: Promise<void> | undefined

  /** What a call has to wait for; undefined while the turn may go on. */
  due(): Promise<void> | undefined {
    if (this.#next !== undefined) return this.#next
    if (++this.#calls % CALLS_A_LOOK > 0 || performance.now() - this.#startedMs < TURN_MS) return undefined
    this.#next = breathe().then(() => {
      this.#next = undefined
      this.#startedMs = performance.now()
    })
    return this.#next
  }
}
