import type { ObjectReader } from '../contracts/object-store.ts'
import type { CollectionName, RecordRef } from '../ids.ts'
import { recordKey } from '../ids.ts'
import { findCollectionRoot, lookupRecord } from '../layout/index.ts'
import type { StoredContent } from '../records.ts'
import { conflictEntryRef } from './conflict-entry.ts'
import type { RecordsAt } from './unwritten-state.ts'

/** The conflict entries of one state, for many records: few collections have any. */
export class ConflictEntriesAt {
  readonly #reader: ObjectReader
  readonly #state: RecordsAt
  readonly #hasEntries = new Map<CollectionName, boolean>()

  constructor(reader: ObjectReader, state: RecordsAt) {
    this.#reader = reader
    this.#state = state
  }

  /** The entry of a record; undefined where it is in no conflict. */
  async of(ref: RecordRef): Promise<StoredContent | undefined> {
    const { tree, edits } = this.#state
    const entry = conflictEntryRef(ref)
    const edit = edits?.size ? edits.get(recordKey(entry)) : undefined
    if (edit !== undefined) return edit.content
    let hasEntries = this.#hasEntries.get(entry.collection)
    if (hasEntries === undefined) {
      const root = await findCollectionRoot(this.#reader, tree, entry.kind, entry.collection)
      this.#hasEntries.set(entry.collection, (hasEntries = root !== undefined))
    }
    return hasEntries ? lookupRecord(this.#reader, tree, entry) : undefined
  }
}
