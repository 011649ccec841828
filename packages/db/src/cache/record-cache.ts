import type { CacheCounts, CacheLimit } from '../api/cache.ts'

interface Entry<Value> {
  readonly key: string
  readonly value: Value
  readonly sizeBytes: number
  /** Uses since it was last passed by, up to 3. */
  uses: number
  next: Entry<Value> | undefined
  previous: Entry<Value> | undefined
}

const MAX_USES = 3
/** The largest part of the cache that one record may take. */
const LARGEST_SHARE = 0.1
/** What an entry costs beside its key and content, roughly: objects, a buffer, a place in a map. */
const ENTRY_BYTES = 300
/** For each so many bytes of the limit a key is remembered, twice at the most. */
const BYTES_A_KEY = 1_000

/**
 * A bounded cache that keeps what is asked for most. A record's value is taken when it is asked for again soon: a first asking
 * leaves its key behind only, so that a scan costs next to nothing and flushes nothing. What was taken stays in a queue in which
 * each use buys another round, up to three. It is the main queue of S3-FIFO with its ghosts (Yang et al., "FIFO queues are all
 * you need for cache eviction", SOSP 2023); the small queue of newcomers would cost each miss more than the read that it spares.
 */
export class RecordCache<Value> {
  readonly #limit: number
  readonly #inBytes: boolean
  /** How many keys a generation of those asked for has. */
  readonly #remembered: number
  readonly #entries = new Map<string, Entry<Value>>()
  readonly #queue = new Queue<Value>()
  readonly #asked = new Ghosts()
  #hits = 0
  #misses = 0

  constructor(limit: CacheLimit) {
    this.#inBytes = 'bytes' in limit
    this.#limit = 'bytes' in limit ? limit.bytes : limit.entries
    this.#remembered = Math.ceil('bytes' in limit ? limit.bytes / BYTES_A_KEY : limit.entries)
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

  /** Offers a value that `get` missed; one that is larger than a tenth of the cache is not taken. */
  set(key: string, value: Value, contentBytes: number): void {
    if (this.#limit === 0) return
    if (!this.#asked.take(key)) {
      this.#asked.add(key, this.#remembered)
      return
    }
    const sizeBytes = ENTRY_BYTES + key.length * 2 + contentBytes
    if (this.#costOf(sizeBytes) > (this.#inBytes ? this.#limit * LARGEST_SHARE : this.#limit)) return
    this.delete(key)
    const entry: Entry<Value> = { key, value, sizeBytes, uses: 0, next: undefined, previous: undefined }
    this.#entries.set(key, entry)
    this.#queue.push(entry, this.#costOf(sizeBytes))
    while (this.#queue.cost > this.#limit) this.#evict()
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
    this.#queue.remove(entry, this.#costOf(entry.sizeBytes))
    this.#entries.delete(entry.key)
  }

  #evict(): void {
    const entry = this.#queue.first
    if (entry === undefined) return
    if (entry.uses === 0) {
      this.#drop(entry)
      this.#asked.add(entry.key, this.#remembered)
      return
    }
    const cost = this.#costOf(entry.sizeBytes)
    this.#queue.remove(entry, cost)
    entry.uses--
    this.#queue.push(entry, cost)
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

/** Keys asked for lately, in two generations: when the younger is full, the older is forgotten. */
class Ghosts {
  #young = new Set<string>()
  #old = new Set<string>()

  add(key: string, limit: number): void {
    this.#young.add(key)
    if (this.#young.size <= limit) return
    this.#old = this.#young
    this.#young = new Set()
  }

  /** Was it there? It is not any more. */
  take(key: string): boolean {
    return this.#young.delete(key) || this.#old.delete(key)
  }
}
