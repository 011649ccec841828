import { parseRecordId, type JsonValue, type RecordId } from '@atolldb/core'
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
    return this.#set(id, options, () => content)
  }

  async create(id: string, value: T, options: WriteOptions = {}): Promise<Written> {
    const content = valueToContent(value)
    return this.#set(id, options, (current, ref) => {
      checkAbsent(ref, current)
      return content
    })
  }

  async update(id: string, value: T, options: ConditionalOptions = {}): Promise<Written> {
    const content = valueToContent(value)
    return this.#set(id, options, (current, ref) => {
      checkPresent(ref, current)
      return content
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

  #set(
    id: string,
    options: ConditionalOptions,
    next: (current: ViewContent | undefined, ref: ReturnType<typeof this.ref>) => ViewContent,
  ): Promise<Written> {
    const ref = this.ref(id)
    return this.store.write(() => {
      const current = this.store.read(ref)
      checkVersion(ref, current, options.ifVersion)
      const content = next(current, ref)
      const result = { id: ref.id, version: contentVersion(content) }
      return { changes: recordChanges(this.store, ref, content), result }
    }, options.signal)
  }
}
