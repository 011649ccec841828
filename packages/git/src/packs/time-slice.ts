import { setImmediate } from 'node:timers/promises'

const SLICE_MS = 10

/** Lets long work give way to the event loop: `if (slice.spent()) await slice.giveWay()`. */
export class TimeSlice {
  #endsAt = performance.now() + SLICE_MS

  /** Ten milliseconds have passed since the loop last had its turn. */
  spent(): boolean {
    return performance.now() >= this.#endsAt
  }

  async giveWay(): Promise<void> {
    await setImmediate()
    this.#endsAt = performance.now() + SLICE_MS
  }
}
