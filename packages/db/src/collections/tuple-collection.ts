import {
  AtollError,
  compareUtf8,
  invalid,
  parseRecordId,
  type CollectionName,
  type JsonValue,
  type RecordRef,
} from '@atolldb/core'
import type {
  Change,
  ConditionalOptions,
  RangeOptions,
  TupleCollection,
  TupleOptions,
  Versioned,
  WriteOptions,
  Written,
} from '../api/collections.ts'

import { contentToValue, contentVersion, valueToContent } from '../engine/content.ts'
import { inRange } from '../engine/overlaid-range.ts'
import type { ViewContent } from '../view/encoding.ts'
import { mergePatch, parsePatch } from './merge-patch.ts'
import { checkRange } from './range-bounds.ts'
import { checkAbsent, checkPresent, checkVersion } from './writes.ts'

interface Slot {
  readonly content: ViewContent
  readonly expiresMs: number
}

/** An Object that lives in this process's memory only, with an optional time to live. */
export class MemoryTupleCollection<T> implements TupleCollection<T> {
  readonly kind = 'tuples'
  readonly name: string
  readonly #slots = new Map<string, Slot>()
  readonly #listeners = new Set<(change: Change<T>) => void>()
  readonly #ttlMs: number
  readonly #monotonicMs: () => number
  readonly #onListenerFailed: (error: unknown) => void
  #writesUntilSweep = 1024

  /** @throws INVALID */
  constructor(
    name: CollectionName,
    options: TupleOptions,
    monotonicMs: () => number,
    onListenerFailed: (error: unknown) => void,
  ) {
    if (options.ttl !== undefined && !(options.ttl > 0)) throw invalid('ttl', 'must be more than 0 milliseconds')
    this.name = name
    this.#ttlMs = options.ttl ?? Infinity
    this.#monotonicMs = monotonicMs
    this.#onListenerFailed = onListenerFailed
  }

  #ref(id: unknown): RecordRef {
    return { kind: 'objects', collection: this.name as CollectionName, id: parseRecordId(id) }
  }

  #read(id: string): ViewContent | undefined {
    const slot = this.#slots.get(id)
    if (slot === undefined || slot.expiresMs > this.#monotonicMs()) return slot?.content
    this.#slots.delete(id)
    return undefined
  }

  async get(id: string): Promise<T | undefined> {
    const content = this.#read(this.#ref(id).id)
    return content === undefined ? undefined : contentToValue<T>(content)
  }

  async getMany(ids: readonly string[]): Promise<(T | undefined)[]> {
    return Promise.all(ids.map(id => this.get(id)))
  }

  async has(id: string): Promise<boolean> {
    return this.#read(this.#ref(id).id) !== undefined
  }

  async getRecord(id: string): Promise<Versioned<T> | undefined> {
    const ref = this.#ref(id)
    const content = this.#read(ref.id)
    return content === undefined ? undefined : versioned(ref.id, content)
  }

  async count(): Promise<number> {
    this.#sweep()
    return this.#slots.size
  }

  entries(range: RangeOptions = {}): AsyncIterable<[string, T]> {
    return itemsOf(this.#range(range), range.signal, (id, content) => [id, contentToValue<T>(content)])
  }

  records(range: RangeOptions = {}): AsyncIterable<Versioned<T>> {
    return itemsOf(this.#range(range), range.signal, (id, content) => versioned<T>(id, content))
  }

  keys(range: RangeOptions = {}): AsyncIterable<string> {
    return itemsOf(this.#range(range), range.signal, id => id)
  }

  #range(range: RangeOptions): [string, ViewContent][] {
    this.#sweep()
    const { bounds, limit } = checkRange(range)
    return [...this.#slots]
      .filter(([id]) => inRange(id, bounds))
      .map(([id, slot]): [string, ViewContent] => [id, slot.content])
      .toSorted(([a], [b]) => (bounds.reverse === true ? compareUtf8(b, a) : compareUtf8(a, b)))
      .slice(0, limit)
  }

  async forEach(visit: (value: T, id: string) => Promise<void> | void, range: RangeOptions = {}): Promise<void> {
    for await (const [id, value] of this.entries(range)) await visit(value, id)
  }

  subscribe(listener: (change: Change<T>) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  async put(id: string, value: T, options: ConditionalOptions = {}): Promise<Written> {
    return this.#set(id, options, () => valueToContent(value))
  }

  async create(id: string, value: T, options: WriteOptions = {}): Promise<Written> {
    return this.#set(id, options, (current, ref) => {
      checkAbsent(ref, current)
      return valueToContent(value)
    })
  }

  async update(id: string, value: T, options: ConditionalOptions = {}): Promise<Written> {
    return this.#set(id, options, (current, ref) => {
      checkPresent(ref, current)
      return valueToContent(value)
    })
  }

  async patch(id: string, patch: unknown, options: ConditionalOptions = {}): Promise<Written> {
    const clean = parsePatch(patch)
    return this.#set(id, options, (current, ref) => {
      checkPresent(ref, current)
      return valueToContent(
        mergePatch(current.format === 'json' ? contentToValue<JsonValue>(current) : undefined, clean),
      )
    })
  }

  async delete(id: string, options: ConditionalOptions = {}): Promise<boolean> {
    checkNotAborted(options.signal)
    const ref = this.#ref(id)
    const current = this.#read(ref.id)
    checkVersion(ref, current, options.ifVersion)
    if (!this.#slots.delete(ref.id)) return false
    this.#tell({ id: ref.id, op: 'delete', value: undefined, version: undefined, origin: 'local' })
    return true
  }

  #set(
    id: string,
    options: ConditionalOptions,
    next: (current: ViewContent | undefined, ref: RecordRef) => ViewContent,
  ): Written {
    checkNotAborted(options.signal)
    const ref = this.#ref(id)
    const current = this.#read(ref.id)
    checkVersion(ref, current, options.ifVersion)
    const content = next(current, ref)
    this.#slots.set(ref.id, { content, expiresMs: this.#monotonicMs() + this.#ttlMs })
    if (--this.#writesUntilSweep === 0) this.#sweep()
    this.#tell({ op: 'put', origin: 'local', ...versioned<T>(ref.id, content) })
    return { id: ref.id, version: contentVersion(content) }
  }

  #tell(change: Change<T>): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(change)
      } catch (error) {
        // What happened has happened, and the other listeners are to know.
        this.#onListenerFailed(error)
      }
    }
  }

  /** Drops what expired; done now and then, so that a tuple that is only written stays as large as what lives in it. */
  #sweep(): void {
    this.#writesUntilSweep = Math.max(1024, this.#slots.size)
    if (this.#ttlMs === Infinity) return
    const now = this.#monotonicMs()
    for (const [id, slot] of this.#slots) if (slot.expiresMs <= now) this.#slots.delete(id)
  }
}

function checkNotAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AtollError('ABORTED', 'the write was aborted', { what: 'write' })
}

async function* itemsOf<Item>(
  found: [string, ViewContent][],
  signal: AbortSignal | undefined,
  toItem: (id: string, content: ViewContent) => Item,
): AsyncGenerator<Item> {
  for (const [id, content] of found) {
    if (signal?.aborted === true) throw new AtollError('ABORTED', 'the range was aborted', { what: 'range' })
    yield toItem(id, content)
  }
}

function versioned<T>(id: string, content: ViewContent): Versioned<T> {
  return { id, value: contentToValue<T>(content), version: contentVersion(content) }
}
