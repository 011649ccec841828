/** Steps between two breaths: some milliseconds of work. */
const SLICE = 8192

/** Counts the small steps of long work on one record, and says when others should get their turn. */
export class WorkSlices {
  readonly #breathe: (() => Promise<void>) | undefined
  #steps = 0

  constructor(breathe: (() => Promise<void>) | undefined) {
    this.#breathe = breathe
  }

  /** Most steps need no breath, and must not cost the turn of a promise: breathe when it says so. */
  isOver(steps: number): boolean {
    this.#steps += steps
    return this.#steps >= SLICE
  }

  async breathe(): Promise<void> {
    this.#steps = 0
    await this.#breathe?.()
  }
}
