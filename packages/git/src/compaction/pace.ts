import { AtollError } from '@atolldb/core'
import { TimeSlice } from '../packs/time-slice.ts'

/** Long work in slices that give way to the event loop, until it is told to stop. */
export class Pace {
  readonly #slice = new TimeSlice()
  readonly signal: AbortSignal | undefined
  readonly #what: string

  /** @param what the work, as errors name it */
  constructor(what: string, signal?: AbortSignal) {
    this.#what = what
    this.signal = signal
  }

  /** Has this slice taken its time? Then `giveWay`. */
  spent(): boolean {
    return this.#slice.spent()
  }

  /** @throws ABORTED */
  async giveWay(): Promise<void> {
    await this.#slice.giveWay()
    this.check()
  }

  /** Gives way if it is time to. @throws ABORTED */
  async step(): Promise<void> {
    if (this.spent()) await this.giveWay()
  }

  /** Runs a computation that yields often. @throws ABORTED */
  async run<Result>(steps: Generator<void, Result, undefined>): Promise<Result> {
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      await this.step()
    }
  }

  /** @throws ABORTED */
  check(): void {
    if (this.signal?.aborted !== true) return
    const what = this.#what
    throw new AtollError('ABORTED', `${what} was stopped`, { what }, { cause: this.signal.reason })
  }
}
