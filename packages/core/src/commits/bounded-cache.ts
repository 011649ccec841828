interface Slot<Value> {
  readonly value: Value
  wasUsed: boolean
}

/**
 * A map that forgets, once the weights of its values exceed a limit, the oldest of them that was not used since it was last
 * looked at (second chance, or CLOCK): nearly what forgetting the least recently used would keep, without moving anything at
 * each use.
 */
export class BoundedCache<Key, Value> {
  readonly #limit: number
  readonly #weigh: (value: Value) => number
  readonly #slots = new Map<Key, Slot<Value>>()
  #weight = 0

  constructor(limit: number, weigh: (value: Value) => number = () => 1) {
    this.#limit = limit
    this.#weigh = weigh
  }

  get(key: Key): Value | undefined {
    const slot = this.#slots.get(key)
    if (slot === undefined) return undefined
    slot.wasUsed = true
    return slot.value
  }

  set(key: Key, value: Value): void {
    this.#drop(key)
    this.#slots.set(key, { value, wasUsed: false })
    this.#weight += this.#weigh(value)
    if (this.#weight > this.#limit) this.#forget(key)
  }

  /** A Map keeps the order of insertion, also of what is put in again while it is walked. */
  #forget(newest: Key): void {
    for (const [key, slot] of this.#slots) {
      // The newest stays even if it alone is beyond the limit, else its user would compute it again and again.
      if (this.#weight <= this.#limit || this.#slots.size === 1) return
      if (key !== newest && !slot.wasUsed) {
        this.#drop(key)
        continue
      }
      slot.wasUsed = false
      this.#slots.delete(key)
      this.#slots.set(key, slot)
    }
  }

  #drop(key: Key): void {
    const slot = this.#slots.get(key)
    if (slot === undefined) return
    this.#slots.delete(key)
    this.#weight -= this.#weigh(slot.value)
  }
}
