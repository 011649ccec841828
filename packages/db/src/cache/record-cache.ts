import type { CacheCounts, CacheLimit } from '../api/cache.ts'

interface Entry<Value> {
  readonly key: string
  readonly value: Value
  readonly sizeBytes: number
  /** Uses since it came into its queue, up to 3. */
  uses: number
  inMain: boolean
  next: Entry<Value> | undefined
  previous: Entry<Value> | undefined
}

const MAX_USES = 3
const SMALL_SHARE = 0.1
/** What an entry costs beside its key and content, roughly: objects, a buffer, a place in a map. */
const ENTRY_BYTES = 300

/**
 * A bounded cache that keeps what is asked for most, after S3-FIFO (Yang et al., "FIFO queues are all you need for cache
 * eviction", SOSP 2023): a newcomer goes into a small queue and moves to the main one only if it is asked for again while
 * there, so that a scan passes through without flushing what is hot; in the main queue each use buys another round. What was
 * dropped lately is remembered by key, and goes to the main queue at once when it comes back.
 */
export class RecordCache<Value> {
  readonly #limit: number
  readonly #inBytes: boolean
  readonly #entries = new Map<string, Entry<Value>>()
  readonly #small = new Queue<Value>()
  readonly #main = new Queue<Value>()
  readonly #ghosts = new Ghosts()
  #hits = 0
  #misses = 0

  constructor(limit: CacheLimit) {
    this.#inBytes = 'bytes' in limit
    this.#limit = 'bytes' in limit ? limit.bytes : limit.entries
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0
  }

  get(key: string): Value | undefined {
    const entry = this.#entries.get(key)
    if (entry === undefined) {
      this.#misses++
      return undefined
    }
    this.#hits++
    if (entry.uses < MAX_USES) entry.uses++
    return entry.value
  }

  /** Takes a value that `get` missed; what is larger than a tenth of the cache is not taken. */
  set(key: string, value: Value, contentBytes: number): void {
    const sizeBytes = ENTRY_BYTES + key.length * 2 + contentBytes
    if (this.#costOf(sizeBytes) > (this.#inBytes ? this.#limit * SMALL_SHARE : this.#limit)) return
    this.delete(key)
    const inMain = this.#ghosts.take(key)
    const entry: Entry<Value> = { key, value, sizeBytes, uses: 0, inMain, next: undefined, previous: undefined }
    this.#entries.set(key, entry)
    const queue = inMain ? this.#main : this.#small
    queue.push(entry, this.#costOf(sizeBytes))
    while (this.#small.cost + this.#main.cost > this.#limit) this.#evict()
  }

  /** Forgets a record: it has changed. */
  delete(key: string): void {
    const entry = this.#entries.get(key)
    if (entry !== undefined) this.#drop(entry)
  }

  clear(): void {
    for (const entry of this.#entries.values()) this.#drop(entry)
  }

  counts(): CacheCounts {
    let bytes = 0
    for (const entry of this.#entries.values()) bytes += entry.sizeBytes
    return { hits: this.#hits, misses: this.#misses, entries: this.#entries.size, bytes }
  }

  #costOf(sizeBytes: number): number {
    return this.#inBytes ? sizeBytes : 1
  }

  #drop(entry: Entry<Value>): void {
    const queue = entry.inMain ? this.#main : this.#small
    queue.remove(entry, this.#costOf(entry.sizeBytes))
    this.#entries.delete(entry.key)
  }

  #evict(): void {
    const isSmallsTurn = this.#small.cost > this.#limit * SMALL_SHARE || this.#main.cost === 0
    const queue = isSmallsTurn ? this.#small : this.#main
    const entry = queue.first
    if (entry === undefined) return
    if (entry.uses === 0) {
      this.#drop(entry)
      if (isSmallsTurn) this.#ghosts.add(entry.key, this.#entries.size)
      return
    }
    // Asked for since it came in: on to the main queue, or another round in it.
    const cost = this.#costOf(entry.sizeBytes)
    queue.remove(entry, cost)
    entry.uses = isSmallsTurn ? 0 : entry.uses - 1
    entry.inMain = true
    this.#main.push(entry, cost)
  }
}

/** First in, first out; anything may be taken from the middle. */
class Queue<Value> {
  cost = 0
  first: Entry<Value> | undefined
  #last: Entry<Value> | undefined

  push(entry: Entry<Value>, cost: number): void {
    entry.next = undefined
    entry.previous = this.#last
    if (this.#last === undefined) this.first = entry
    else this.#last.next = entry
    this.#last = entry
    this.cost += cost
  }

  remove(entry: Entry<Value>, cost: number): void {
    if (entry.previous === undefined) this.first = entry.next
    else entry.previous.next = entry.next
    if (entry.next === undefined) this.#last = entry.previous
    else entry.next.previous = entry.previous
    this.cost -= cost
  }
}

/** Keys dropped lately, in two generations: when the younger is full, the older is forgotten. */
class Ghosts {
  #young = new Set<string>()
  #old = new Set<string>()

  add(key: string, limit: number): void {
    this.#young.add(key)
    if (this.#young.size <= limit / 2) return
    this.#old = this.#young
    this.#young = new Set()
  }

  /** Was it there? It is not any more. */
  take(key: string): boolean {
    return this.#young.delete(key) || this.#old.delete(key)
  }
}
