import type { Environment } from '../contracts/environment.ts'
import { assert, invalid } from '../errors.ts'
import { MAX_CLOCK_COUNTER, MAX_CLOCK_MS, MAX_DRIFT_MS } from '../limits.ts'

/**
 * A reading of the hybrid logical clock (Kulkarni et al., "Logical Physical Clocks", 2014): wall-clock milliseconds since
 * 1970, and a counter for what happens within one of them. Its text form, used in commits, is `<ms>.<counter>`: two decimal
 * numbers without leading zeros.
 */
export interface Clock {
  readonly ms: number
  readonly counter: number
}

/** Before everything. */
export const CLOCK_ZERO: Clock = { ms: 0, counter: 0 }

const clockPattern = /^(0|[1-9][0-9]{0,14})\.(0|[1-9][0-9]{0,4})$/

/** Negative, zero or positive, as `a` is before, at or after `b`. */
export function compareClock(a: Clock, b: Clock): number {
  return a.ms - b.ms || a.counter - b.counter
}

export function formatClock(clock: Clock): string {
  return `${clock.ms}.${clock.counter}`
}

/** @throws INVALID when the text is not a clock's, or beyond the limits. */
export function parseClock(text: string): Clock {
  const match = clockPattern.exec(text)
  if (!match) throw invalid('clock', `${JSON.stringify(text.slice(0, 64))} is not <ms>.<counter>`)
  const clock = { ms: Number(match[1]), counter: Number(match[2]) }
  if (clock.ms > MAX_CLOCK_MS || clock.counter > MAX_CLOCK_COUNTER) throw invalid('clock', `${text} is out of range`)
  return clock
}

/** The author time that git shows for a commit of that clock: whole seconds since 1970. */
export function clockSeconds(clock: Clock): number {
  return Math.floor(clock.ms / 1000)
}

/**
 * Is a commit's clock so far ahead of the wall clock that it is held back for now? No matter of validity: it ends by itself
 * when the wall clock catches up. Do not ask while the wall clock is untrusted.
 */
export function isAhead(clock: Clock, nowMs: number): boolean {
  return clock.ms > nowMs + MAX_DRIFT_MS
}

/** The clock of a node: never behind anything it gave out or observed, whatever the wall clock does. */
export class HybridClock {
  readonly #environment: Pick<Environment, 'nowMs'>
  #last: Clock

  /** `initial` is the highest clock known from before the start. */
  constructor(environment: Pick<Environment, 'nowMs'>, initial: Clock = CLOCK_ZERO) {
    this.#environment = environment
    this.#last = initial
  }

  /** The clock of a new event, after all before. @throws INVALID at the end of time, when an observed clock left no room. */
  tick(): Clock {
    const nowMs = Math.min(Math.max(0, Math.floor(this.#environment.nowMs())), MAX_CLOCK_MS)
    this.#last = nowMs > this.#last.ms ? { ms: nowMs, counter: 0 } : nextClock(this.#last)
    return this.#last
  }

  /** Something with that clock is known here now; what follows comes after it. */
  observe(clock: Clock): void {
    assert(Number.isSafeInteger(clock.ms) && Number.isSafeInteger(clock.counter), 'a clock is two whole numbers')
    if (compareClock(clock, this.#last) > 0) this.#last = clock
  }

  /** The last clock given out or observed. */
  peek(): Clock {
    return this.#last
  }
}

/** The least clock after that one. */
function nextClock(clock: Clock): Clock {
  if (clock.counter < MAX_CLOCK_COUNTER) return { ms: clock.ms, counter: clock.counter + 1 }
  if (clock.ms >= MAX_CLOCK_MS) throw invalid('clock', 'the last one is used up')
  return { ms: clock.ms + 1, counter: 0 }
}
