import { parseRecordId, type JsonValue, type RecordId, type RecordRef } from '@atolldb/core'
import type { ConditionalOptions, ObjectCollection, WriteOptions, Written } from '../api/collections.ts'

import { contentToValue, contentVersion, valueToContent } from '../engine/content.ts'
import type { ViewContent } from '../view/encoding.ts'
import { mergePatch, parsePatch } from './merge-patch.ts'
import { StoredCollection } from './readable-collection.ts'
import { checkAbsent, checkPresent, checkVersion, recordChanges } from './writes.ts'

/** Records with ids of the user's own. */
export class StoredObjectCollection<T> extends StoredCollection<T> implements ObjectCollection<T> {
  readonly kind = 'objects'

  protected override parseId(id: unknown): RecordId {
    return parseRecordId(id)
  }

  async put(id: string, value: T, options: ConditionalOptions = {}): Promise<Written> {
    const content = valueToContent(value)
    // What is there need not be read to be replaced.
    return options.ifVersion === undefined
      ? this.#set(id, options, () => content)
      : this.#replace(id, options, () => content)
  }

  async create(id: string, value: T, options: WriteOptions = {}): Promise<Written> {
    const content = valueToContent(value)
    return this.#replace(id, options, (current, ref) => {
      checkAbsent(ref, current)
      return content
    })
  }

  async update(id: string, value: T, options: ConditionalOptions = {}): Promise<Written> {
    const content = valueToContent(value)
    return this.#replace(id, options, (current, ref) => {
      checkPresent(ref, current)
      return content
    })
  }

  async patch(id: string, patch: unknown, options: ConditionalOptions = {}): Promise<Written> {
    const clean = parsePatch(patch)
    return this.#replace(id, options, (current, ref) => {
      checkPresent(ref, current)
      return valueToContent(
        mergePatch(current.format === 'json' ? contentToValue<JsonValue>(current) : undefined, clean),
      )
    })
  }

  /** Sets what `next` makes of what is there, unless `ifVersion` says that something else should be. */
  #replace(
    id: string,
    options: ConditionalOptions,
    next: (current: ViewContent | undefined, ref: RecordRef) => ViewContent,
  ): Promise<Written> {
    return this.#set(id, options, ref => {
      const current = this.store.read(ref)
      checkVersion(ref, current, options.ifVersion)
      return next(current, ref)
    })
  }

  #set(id: string, { signal }: WriteOptions, next: (ref: RecordRef) => ViewContent): Promise<Written> {
    const ref = this.ref(id)
    return this.store.write(() => {
      const content = next(ref)
      const result = { id: ref.id, version: contentVersion(content) }
      return { changes: recordChanges(this.store, ref, content), result }
    }, signal)
  }
}
