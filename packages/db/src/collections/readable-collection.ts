import { AtollError, type CollectionKind, type CollectionName, type RecordId, type RecordRef } from '@atolldb/core'
import type { Change, ConditionalOptions, RangeOptions, ReadableCollection, Versioned } from '../api/collections.ts'
import { contentToValue, contentVersion } from '../engine/content.ts'
import type { RecordStore } from '../engine/record-store.ts'
import type { ViewContent } from '../view/encoding.ts'
import { checkRange } from './range-bounds.ts'
import { checkVersion, recordChanges } from './writes.ts'

/** What Objects and Lists share. */
export abstract class StoredCollection<T> implements ReadableCollection<T> {
  abstract readonly kind: CollectionKind
  readonly name: string
  protected readonly store: RecordStore
  protected readonly collection: CollectionName

  constructor(store: RecordStore, collection: CollectionName) {
    this.store = store
    this.collection = collection
    this.name = collection
  }

  /** The id as it is stored. @throws INVALID, TOO_LARGE */
  protected abstract parseId(id: unknown): RecordId

  /** A bound of a range, written as ids are. */
  protected toBound(bound: string): string {
    return bound
  }

  protected ref(id: unknown): RecordRef {
    return { kind: this.kind, collection: this.collection, id: this.parseId(id) }
  }

  get(id: string): Promise<T | undefined> {
    return this.store.readSafely(() => this.#value(id))
  }

  getMany(ids: readonly string[]): Promise<(T | undefined)[]> {
    return this.store.readSafely(() => ids.map(id => this.#value(id)))
  }

  has(id: string): Promise<boolean> {
    return this.store.readSafely(() => this.store.read(this.ref(id)) !== undefined)
  }

  getRecord(id: string): Promise<Versioned<T> | undefined> {
    return this.store.readSafely(() => {
      const ref = this.ref(id)
      const content = this.store.read(ref)
      return content === undefined ? undefined : versioned(ref.id, content)
    })
  }

  #value(id: string): T | undefined {
    const content = this.store.read(this.ref(id))
    return content === undefined ? undefined : contentToValue<T>(content)
  }

  count(): Promise<number> {
    return this.store.count(this.kind, this.collection)
  }

  entries(range: RangeOptions = {}): AsyncIterable<[string, T]> {
    return this.#range(range, (id, content) => [id, contentToValue<T>(content)])
  }

  records(range: RangeOptions = {}): AsyncIterable<Versioned<T>> {
    return this.#range(range, (id, content) => versioned<T>(id, content))
  }

  keys(range: RangeOptions = {}): AsyncIterable<string> {
    return this.#range(range, id => id)
  }

  async forEach(visit: (value: T, id: string) => Promise<void> | void, range: RangeOptions = {}): Promise<void> {
    for await (const [id, value] of this.entries(range)) await visit(value, id)
  }

  /** The range's state is that of this call, not of the first step. */
  #range<Item>(range: RangeOptions, toItem: (id: string, content: ViewContent) => Item): AsyncIterable<Item> {
    const { bounds, limit } = checkRange(range, bound => this.toBound(bound))
    return limited(this.store.range(this.kind, this.collection, bounds), toItem, limit, range.signal)
  }

  subscribe(listener: (change: Change<T>) => void): () => void {
    return this.store.subscribe(event => {
      for (const { kind, collection, id, content } of event.changes) {
        if (kind !== this.kind || collection !== this.collection) continue
        listener(
          content === undefined
            ? { id, op: 'delete', value: undefined, version: undefined, origin: event.origin }
            : { op: 'put', origin: event.origin, ...versioned<T>(id, content) },
        )
      }
    })
  }

  async delete(id: string, options: ConditionalOptions = {}): Promise<boolean> {
    const ref = this.ref(id)
    return this.store.write(() => {
      const current = this.store.read(ref)
      checkVersion(ref, current, options.ifVersion)
      return { changes: recordChanges(this.store, ref, undefined), result: current !== undefined }
    }, options.signal)
  }
}

function versioned<T>(id: string, content: ViewContent): Versioned<T> {
  return { id, value: contentToValue<T>(content), version: contentVersion(content) }
}

async function* limited<Item>(
  found: AsyncIterable<[string, ViewContent]>,
  toItem: (id: string, content: ViewContent) => Item,
  limit: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Item> {
  let left = limit
  if (left <= 0) {
    // Ends the iterator below, which holds a snapshot.
    for await (const _ of found) return
    return
  }
  for await (const [id, content] of found) {
    if (signal?.aborted === true) throw new AtollError('ABORTED', 'the range was aborted', { what: 'range' })
    yield toItem(id, content)
    if (--left === 0) return
  }
}
