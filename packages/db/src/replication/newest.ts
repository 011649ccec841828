/**
 * Does work for the newest value of each key: one at a time per key, and what comes meanwhile replaces what waits. So a
 * flood costs no more than its last drop.
 */
export class Newest<Key, Value> {
  readonly #work: (key: Key, value: Value) => Promise<void>
  readonly #waiting = new Map<Key, { value: Value }>()
  readonly #busy = new Set<Key>()

  constructor(work: (key: Key, value: Value) => Promise<void>) {
    this.#work = work
  }

  /** Resolves when there is nothing left to do for the key, or at once when somebody is at it already. */
  async put(key: Key, value: Value): Promise<void> {
    this.#waiting.set(key, { value })
    if (this.#busy.has(key)) return
    this.#busy.add(key)
    try {
      for (let next = this.#waiting.get(key); next !== undefined; next = this.#waiting.get(key)) {
        this.#waiting.delete(key)
        await this.#work(key, next.value)
      }
    } finally {
      this.#waiting.delete(key)
      this.#busy.delete(key)
    }
  }
}
