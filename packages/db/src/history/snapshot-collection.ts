import {
  AtollError,
  type CollectionKind,
  type CollectionName,
  lookupRecord,
  type ObjectId,
  type ObjectReader,
  parseListRecordId,
  parseRecordId,
  type RecordId,
  type ScannedRecord,
  scanRecords,
  type StoredContent,
} from '@atolldb/core'
import type { RangeOptions, Versioned } from '../api/collections.ts'
import type { SnapshotCollection } from '../api/history.ts'
import { checkRange } from '../collections/range-bounds.ts'
import { contentToValue } from '../engine/content.ts'

/** Blobs of a range that are read at once: a leaf may hold 64 values of a megabyte. */
const BLOBS_AT_ONCE = 16

/** One collection in one tree. Nothing is kept between two calls; the repository's caches make neighbours cheap. */
export class TreeCollection<T> implements SnapshotCollection<T> {
  readonly kind: CollectionKind
  readonly name: string
  readonly #reader: ObjectReader
  readonly #tree: ObjectId
  readonly #collection: CollectionName

  constructor(reader: ObjectReader, tree: ObjectId, kind: CollectionKind, collection: CollectionName) {
    this.kind = kind
    this.name = collection
    this.#reader = reader
    this.#tree = tree
    this.#collection = collection
  }

  async get(id: string): Promise<T | undefined> {
    return (await this.getRecord(id))?.value
  }

  async getMany(ids: readonly string[]): Promise<(T | undefined)[]> {
    // Checked before any is read, as a live collection does.
    const parsed = ids.map(id => this.#parseId(id))
    const values: (T | undefined)[] = []
    for (let i = 0; i < parsed.length; i += BLOBS_AT_ONCE)
      values.push(...(await Promise.all(parsed.slice(i, i + BLOBS_AT_ONCE).map(id => this.get(id)))))
    return values
  }

  async has(id: string): Promise<boolean> {
    return (await this.#lookup(this.#parseId(id))) !== undefined
  }

  async getRecord(id: string): Promise<Versioned<T> | undefined> {
    const parsed = this.#parseId(id)
    const content = await this.#lookup(parsed)
    return content === undefined ? undefined : this.#load({ id: parsed, content })
  }

  async count(): Promise<number> {
    let records = 0
    for await (const batch of this.#scan({})) records += batch.length
    return records
  }

  async *entries(range: RangeOptions = {}): AsyncGenerator<[string, T], void, void> {
    for await (const { id, value } of this.records(range)) yield [id, value]
  }

  async *records(range: RangeOptions = {}): AsyncGenerator<Versioned<T>, void, void> {
    for await (const batch of this.#scan(range))
      for (let i = 0; i < batch.length; i += BLOBS_AT_ONCE)
        yield* await this.#loadAll(batch.slice(i, i + BLOBS_AT_ONCE))
  }

  async *keys(range: RangeOptions = {}): AsyncGenerator<string, void, void> {
    for await (const batch of this.#scan(range)) for (const { id } of batch) yield id
  }

  async *#scan(range: RangeOptions): AsyncGenerator<readonly ScannedRecord[]> {
    const { bounds, limit } = checkRange(range, bound => (this.kind === 'lists' ? bound.toLowerCase() : bound))
    if (limit === 0) return
    for await (const batch of scanRecords(this.#reader, this.#tree, this.kind, this.#collection, {
      ...bounds,
      limit,
    })) {
      if (range.signal?.aborted === true) throw new AtollError('ABORTED', 'the range was aborted', { what: 'range' })
      yield batch
    }
  }

  #lookup(id: RecordId): Promise<StoredContent | undefined> {
    return lookupRecord(this.#reader, this.#tree, { kind: this.kind, collection: this.#collection, id })
  }

  /**
   * Neighbours mostly lie beside each other in a pack: one read brings many to hand, and what is at hand needs no promise. Where
   * they do not, the rest is read at once.
   */
  async #loadAll(records: readonly ScannedRecord[]): Promise<Versioned<T>[]> {
    const loaded = records.map(record => this.#loadAtHand(record))
    const first = loaded.indexOf(undefined)
    if (first < 0) return loaded as Versioned<T>[]
    loaded[first] = await this.#load(records[first]!)
    const known = records.map((record, i) => loaded[i] ?? this.#loadAtHand(record))
    return Promise.all(records.map(async (record, i) => known[i] ?? this.#load(record)))
  }

  #loadAtHand({ id, content: { format, version, bytes } }: ScannedRecord): Versioned<T> | undefined {
    const atHand = bytes ?? this.#reader.blobAtHand?.(version)
    return atHand && { id, value: contentToValue<T>({ format, bytes: atHand }), version }
  }

  async #load({ id, content }: ScannedRecord): Promise<Versioned<T>> {
    const { format, version } = content
    const bytes = content.bytes ?? (await this.#reader.readBlob(version))
    return { id, value: contentToValue<T>({ format, bytes }), version }
  }

  #parseId(id: unknown): RecordId {
    return this.kind === 'lists' ? parseListRecordId(id) : parseRecordId(id)
  }
}
