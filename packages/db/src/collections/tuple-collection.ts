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
import type { ViewContent } from '../view/encoding.ts'
import { assertPatch, mergePatch } from './merge-patch.ts'
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
  #writesUntilSweep = 1024

  /** @throws INVALID */
  constructor(name: CollectionName, options: TupleOptions, monotonicMs: () => number) {
    if (options.ttl !== undefined && !(options.ttl > 0)) throw invalid('ttl', 'must be more than 0 milliseconds')
    this.name = name
    this.#ttlMs = options.ttl ?? Infinity
    this.#monotonicMs = monotonicMs
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

  async getRecord(id: string): Promise<Versioned<T> | undefined> {
    const ref = this.#ref(id)
    const content = this.#read(ref.id)
    return content === undefined ? undefined : versioned(ref.id, content)
  }

  async count(): Promise<number> {
    this.#sweep()
    return this.#slots.size
  }

  async *entries(range: RangeOptions = {}): AsyncGenerator<[string, T]> {
    for (const [id, content] of this.#range(range)) yield [id, contentToValue<T>(content)]
  }

  async *records(range: RangeOptions = {}): AsyncGenerator<Versioned<T>> {
    for (const [id, content] of this.#range(range)) yield versioned<T>(id, content)
  }

  #range(range: RangeOptions): [string, ViewContent][] {
    this.#sweep()
    const { gt, gte, lt, lte } = range
    const found = [...this.#slots]
      .filter(
        ([id]) =>
          (gt === undefined || compareUtf8(id, gt) > 0) &&
          (gte === undefined || compareUtf8(id, gte) >= 0) &&
          (lt === undefined || compareUtf8(id, lt) < 0) &&
          (lte === undefined || compareUtf8(id, lte) <= 0),
      )
      .map(([id, slot]): [string, ViewContent] => [id, slot.content])
      .toSorted(([a], [b]) => (range.reverse === true ? compareUtf8(b, a) : compareUtf8(a, b)))
    return found.slice(0, range.limit ?? found.length)
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
    assertPatch(patch)
    return this.#set(id, options, (current, ref) => {
      checkPresent(ref, current)
      return valueToContent(mergePatch(contentToValue<JsonValue>(current), patch))
    })
  }

  async delete(id: string, options: ConditionalOptions = {}): Promise<boolean> {
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
    if (options.signal?.aborted === true) throw new AtollError('ABORTED', 'the write was aborted', { what: 'write' })
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
    for (const listener of this.#listeners) listener(change)
  }

  /** Drops what expired; done now and then, so that a tuple that is only written stays as large as what lives in it. */
  #sweep(): void {
    this.#writesUntilSweep = Math.max(1024, this.#slots.size)
    if (this.#ttlMs === Infinity) return
    const now = this.#monotonicMs()
    for (const [id, slot] of this.#slots) if (slot.expiresMs <= now) this.#slots.delete(id)
  }
}

function versioned<T>(id: string, content: ViewContent): Versioned<T> {
  return { id, value: contentToValue<T>(content), version: contentVersion(content) }
}
