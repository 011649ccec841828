import type { ObjectReader } from '../contracts/object-store.ts'
import type { CollectionName, ObjectId, RecordRef } from '../ids.ts'
import { findCollectionRoot, lookupRecord } from '../layout/index.ts'
import type { StoredContent } from '../records.ts'
import { conflictEntryRef } from './conflict-entry.ts'

/** The conflict entries of one state, for many records: few collections have any. */
export class ConflictEntriesAt {
  readonly #reader: ObjectReader
  readonly #tree: ObjectId
  readonly #hasEntries = new Map<CollectionName, boolean>()

  constructor(reader: ObjectReader, tree: ObjectId) {
    this.#reader = reader
    this.#tree = tree
  }

  /** The entry of a record; undefined where it is in no conflict. */
  async of(ref: RecordRef): Promise<StoredContent | undefined> {
    const entry = conflictEntryRef(ref)
    let hasEntries = this.#hasEntries.get(entry.collection)
    if (hasEntries === undefined) {
      const root = await findCollectionRoot(this.#reader, this.#tree, entry.kind, entry.collection)
      this.#hasEntries.set(entry.collection, (hasEntries = root !== undefined))
    }
    return hasEntries ? lookupRecord(this.#reader, this.#tree, entry) : undefined
  }
}
