import { invalid, parseListRecordId, type CollectionName, type RecordId } from '@atolldb/core'
import type { ListCollection, WriteOptions } from '../api/collections.ts'
import type { JournalChange } from '../journal/frame.ts'
import { valueToContent } from '../engine/content.ts'
import type { RecordStore } from '../engine/record-store.ts'
import type { ViewContent } from '../view/encoding.ts'
import type { NextListId } from '../engine/list-ids.ts'
import { checkBatchSize } from './batch-size.ts'
import { StoredCollection } from './readable-collection.ts'
import { checkRestorable, recordChanges } from './writes.ts'

/** Immutable records with ULIDs for ids. */
export class StoredListCollection<T> extends StoredCollection<T> implements ListCollection<T> {
  readonly kind = 'lists'
  readonly #nextId: NextListId

  constructor(store: RecordStore, collection: CollectionName, nextId: NextListId) {
    super(store, collection)
    this.#nextId = nextId
  }

  protected override parseId(id: unknown): RecordId {
    return parseListRecordId(id)
  }

  protected override toBound(bound: string): string {
    return bound.toLowerCase()
  }

  async insert(value: T, options: WriteOptions = {}): Promise<string> {
    const content = listContent(value)
    return this.store.write(() => {
      const change = this.#newRecord(content)
      return { changes: [change], result: change.id }
    }, options.signal)
  }

  async insertMany(values: readonly T[], options: WriteOptions = {}): Promise<string[]> {
    const contents = values.map(listContent)
    return this.store.write(() => {
      const changes = contents.map(content => this.#newRecord(content))
      checkBatchSize(changes)
      return { changes, result: changes.map(change => change.id) }
    }, options.signal)
  }

  async restore(id: string, value: T, options: WriteOptions = {}): Promise<void> {
    const content = listContent(value)
    const ref = this.ref(id)
    return this.store.write(() => {
      const isThere = checkRestorable(ref, this.store.read(ref), content)
      return { changes: isThere ? [] : recordChanges(this.store, ref, content), result: undefined }
    }, options.signal)
  }

  #newRecord(content: ViewContent): JournalChange {
    const ref = { kind: 'lists', collection: this.collection, id: this.#nextId() } as const
    this.store.rules.checkValue(ref, content)
    return { ...ref, content }
  }
}

/** @throws INVALID for bytes: a line of a List is JSON */
export function listContent(value: unknown): ViewContent {
  const content = valueToContent(value)
  if (content.format === 'bytes') throw invalid('value', 'a List holds JSON; bytes go into an Object')
  return content
}
