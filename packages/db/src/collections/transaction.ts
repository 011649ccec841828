import {
  AtollError,
  parseCollectionName,
  parseListRecordId,
  parseRecordId,
  recordKey,
  type CollectionKind,
  type JsonValue,
  type ObjectId,
  type RecordKey,
  type RecordRef,
} from '@atolldb/core'
import type { Transaction, TransactionList, TransactionObject } from '../api/database.ts'
import { contentToValue, contentVersion, valueToContent } from '../engine/content.ts'
import type { NextListId } from '../engine/list-ids.ts'
import type { RecordStore } from '../engine/record-store.ts'
import type { JournalChange } from '../journal/frame.ts'
import type { ViewContent } from '../view/encoding.ts'
import { checkBatchSize } from './batch-size.ts'
import { listContent } from './list-collection.ts'
import { mergePatch, parsePatch } from './merge-patch.ts'
import { checkAbsent, checkPresent, checkRestorable, recordChanges } from './writes.ts'

interface Write {
  readonly ref: RecordRef
  readonly content: ViewContent | undefined
}

/**
 * Collects reads and writes, then applies the writes as one entry if none of the records read has changed meanwhile
 * (optimistic concurrency control).
 */
export class StoreTransaction implements Transaction {
  readonly #store: RecordStore
  readonly #nextId: NextListId
  readonly #reads = new Map<RecordKey, { ref: RecordRef; version: ObjectId | undefined }>()
  readonly #writes = new Map<RecordKey, Write>()
  #ended = false

  constructor(store: RecordStore, nextId: NextListId) {
    this.#store = store
    this.#nextId = nextId
  }

  object<T = JsonValue>(name: string): TransactionObject<T> {
    const ref = (id: string): RecordRef => this.#ref('objects', name, id)
    const set = (target: RecordRef, value: unknown): void => this.#write(target, valueToContent(value))
    return {
      get: id => this.#get<T>(() => ref(id)),
      put: (id, value) => set(ref(id), value),
      create: (id, value) =>
        this.#store.readSafely(() => {
          const target = ref(id)
          checkAbsent(target, this.#read(target))
          set(target, value)
        }),
      update: (id, value) =>
        this.#store.readSafely(() => {
          const target = ref(id)
          checkPresent(target, this.#read(target))
          set(target, value)
        }),
      patch: (id, patch) =>
        this.#store.readSafely(() => {
          const clean = parsePatch(patch)
          const target = ref(id)
          const current = this.#read(target)
          checkPresent(target, current)
          const value = current.format === 'json' ? contentToValue<JsonValue>(current) : undefined
          set(target, mergePatch(value, clean))
        }),
      delete: id => this.#write(ref(id), undefined),
    }
  }

  list<T = JsonValue>(name: string): TransactionList<T> {
    const ref = (id: string): RecordRef => this.#ref('lists', name, id)
    return {
      get: id => this.#get<T>(() => ref(id)),
      insert: value => {
        const target = ref(this.#nextId())
        this.#write(target, listContent(value))
        return target.id
      },
      restore: (id, value) =>
        this.#store.readSafely(() => {
          const target = ref(id)
          const content = listContent(value)
          // Of the database too, whatever this transaction deletes: in one commit no line changes.
          checkRestorable(target, this.#store.read(target), content)
          if (!checkRestorable(target, this.#read(target), content)) this.#write(target, content)
        }),
      delete: id => this.#write(ref(id), undefined),
    }
  }

  #ref(kind: CollectionKind, name: string, id: unknown): RecordRef {
    return {
      kind,
      collection: parseCollectionName(name),
      id: kind === 'objects' ? parseRecordId(id) : parseListRecordId(id),
    }
  }

  #get<T>(toRef: () => RecordRef): Promise<T | undefined> {
    return this.#store.readSafely(() => {
      const content = this.#read(toRef())
      return content === undefined ? undefined : contentToValue<T>(content)
    })
  }

  #read(ref: RecordRef): ViewContent | undefined {
    this.#assertRunning()
    const key = recordKey(ref)
    const write = this.#writes.get(key)
    if (write !== undefined) return write.content
    const content = this.#store.read(ref)
    // The first read counts: a record that changes between two reads fails the transaction.
    if (!this.#reads.has(key))
      this.#reads.set(key, { ref, version: content === undefined ? undefined : contentVersion(content) })
    return content
  }

  #write(ref: RecordRef, content: ViewContent | undefined): void {
    this.#assertRunning()
    this.#writes.set(recordKey(ref), { ref, content })
  }

  #assertRunning(): void {
    if (this.#ended) throw new AtollError('CLOSED', 'the transaction has ended', { what: 'transaction' })
  }

  /** Takes no more calls. */
  end(): void {
    this.#ended = true
  }

  /** Durable when it resolves. @throws CONFLICT, TOO_LARGE */
  async commit(): Promise<void> {
    this.end()
    await this.#store.write(() => {
      for (const { ref, version } of this.#reads.values()) this.#checkUnchanged(ref, version)
      const changes: JournalChange[] = []
      for (const { ref, content } of this.#writes.values()) {
        changes.push(...recordChanges(this.#store, ref, content))
      }
      checkBatchSize(changes)
      return { changes, result: undefined }
    })
  }

  #checkUnchanged(ref: RecordRef, expected: ObjectId | undefined): void {
    const content = this.#store.read(ref)
    const actual = content === undefined ? undefined : contentVersion(content)
    if (actual === expected) return
    const what = `${ref.collection}/${ref.id}`
    throw new AtollError('CONFLICT', `${what} changed while the transaction ran`, {
      what,
      ...(expected === undefined ? {} : { expected }),
      ...(actual === undefined ? {} : { actual }),
    })
  }
}
