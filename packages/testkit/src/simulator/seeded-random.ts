/**
 * Numbers that a seed determines, on every machine and for ever: a seed that failed once is found again. (sfc32 by Chris
 * Doty-Humphrey, seeded from the text by FNV-1a.)
 */
export class SeededRandom {
  readonly seed: string
  #a: number
  #b: number
  #c: number
  #counter = 1

  constructor(seed: string) {
    this.seed = seed
    this.#a = textToNumber(seed, 0x811c9dc5)
    this.#b = textToNumber(seed, 0x01234567)
    this.#c = textToNumber(seed, 0x9e3779b9)
    for (let i = 0; i < 12; i++) this.next()
  }

  /** A stream of its own, so that one part of a simulation may draw more without changing what the others draw. */
  fork(name: string): SeededRandom {
    return new SeededRandom(`${this.seed} ${name}`)
  }

  /** In [0, 1). */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return (sum >>> 0) / 2 ** 32
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  /** A whole number of 0 to `count` − 1. */
  below(count: number): number {
    return Math.floor(this.next() * count)
  }

  /** In [`low`, `high`). */
  between(low: number, high: number): number {
    return low + this.next() * (high - low)
  }

  /** One of them; there must be some. */
  pick<Item>(items: readonly Item[]): Item {
    return items[this.below(items.length)]!
  }
}

function textToNumber(text: string, start: number): number {
  let hash = start
  for (const character of text) hash = Math.imul(hash ^ character.codePointAt(0)!, 0x01000193)
  return hash | 0
}
