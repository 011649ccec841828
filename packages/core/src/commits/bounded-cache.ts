/** A map that forgets what was used longest ago once the weights of its values exceed a limit. */
export class BoundedCache<Key, Value> {
  readonly #limit: number
  readonly #weigh: (value: Value) => number
  readonly #values = new Map<Key, Value>()
  #weight = 0

  constructor(limit: number, weigh: (value: Value) => number = () => 1) {
    this.#limit = limit
    this.#weigh = weigh
  }

  get(key: Key): Value | undefined {
    const value = this.#values.get(key)
    if (value === undefined) return undefined
    // A Map keeps the order of insertion: what is used moves to its end.
    this.#values.delete(key)
    this.#values.set(key, value)
    return value
  }

  set(key: Key, value: Value): void {
    const previous = this.#values.get(key)
    if (previous !== undefined) {
      this.#weight -= this.#weigh(previous)
      this.#values.delete(key)
    }
    this.#values.set(key, value)
    this.#weight += this.#weigh(value)
    for (const [oldest, weighed] of this.#values) {
      // The newest stays even if it alone is beyond the limit, else its user would compute it again and again.
      if (this.#weight <= this.#limit || oldest === key) break
      this.#values.delete(oldest)
      this.#weight -= this.#weigh(weighed)
    }
  }
}
