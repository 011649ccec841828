import {
  AtollError,
  type NodeId,
  parseCollectionKind,
  parseListRecordId,
  parseRecordId,
  parseStoredCollectionName,
  type RecordRef,
} from '@atolldb/core'
import type { WriteOptions } from '../api/collections.ts'
import type {
  Conflict,
  ConflictOutcome,
  ConflictResolved,
  Conflicts,
  ConflictsOptions,
  ConflictTarget,
} from '../api/conflicts.ts'
import { recordChanges } from '../collections/writes.ts'
import { contentVersion } from '../engine/content.ts'
import type { RecordStore } from '../engine/record-store.ts'
import { ConflictReader, type ConflictReaderParts, type FoundConflict, isUnchanged } from './conflict-reader.ts'
import { outcomeContent, type ReservedContent } from './outcome.ts'

export interface ConflictsParts extends ConflictReaderParts {
  readonly node: NodeId
  readonly reservedContent: ReservedContent
}

/** The records in conflict of a node. */
export class StoredConflicts implements Conflicts {
  readonly #store: RecordStore
  readonly #node: NodeId
  readonly #reservedContent: ReservedContent
  readonly #reader: ConflictReader
  readonly #options: ConflictsOptions

  constructor(parts: ConflictsParts, options: ConflictsOptions) {
    this.#store = parts.store
    this.#node = parts.node
    this.#reservedContent = parts.reservedContent
    this.#reader = new ConflictReader(parts)
    this.#options = checkOptions(options)
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Conflict, void, void> {
    const { all, signal } = this.#options
    for await (const ref of this.#reader.subjects(this.#options)) {
      if (signal?.aborted === true) throw new AtollError('ABORTED', 'the list was aborted', { what: 'conflicts' })
      const found = await this.#reader.find(ref)
      // Settled since the list was begun.
      if (found === undefined) continue
      if (found.entry.contested || all === true) yield await this.#reader.describe(found)
    }
  }

  async get(target: ConflictTarget): Promise<Conflict | undefined> {
    const found = await this.#reader.find(targetRef(target))
    return found && this.#reader.describe(found)
  }

  async resolve(
    target: ConflictTarget,
    outcome: ConflictOutcome,
    { signal }: WriteOptions = {},
  ): Promise<ConflictResolved> {
    const ref = targetRef(target)
    const found = await this.#reader.find(ref)
    if (target.version !== undefined && found?.version !== target.version) throw outdated(ref, target.version, found)
    if (found === undefined)
      throw new AtollError('MISSING', `${nameOf(ref)} is in no conflict`, { what: 'conflict', id: ref.id })
    const content = await outcomeContent(found, outcome, {
      reader: this.#reader,
      node: this.#node,
      reservedContent: this.#reservedContent,
    })
    return this.#store.write(() => {
      // What the outcome was made of must be what it replaces.
      if (!isUnchanged(this.#store, found)) throw outdated(ref, found.version, undefined)
      const version = content && contentVersion(content)
      return { changes: recordChanges(this.#store, ref, content, { settles: true }), result: { id: ref.id, version } }
    }, signal)
  }
}

/** Settings and scripts are in conflict too, so Atoll's own collections are named as the users' are. @throws INVALID */
function targetRef({ kind = 'objects', collection, id }: ConflictTarget): RecordRef {
  return {
    kind: parseCollectionKind(kind),
    collection: parseStoredCollectionName(collection),
    id: kind === 'lists' ? parseListRecordId(id) : parseRecordId(id),
  }
}

/** @throws INVALID */
function checkOptions(options: ConflictsOptions): ConflictsOptions {
  if (options.collection !== undefined) parseStoredCollectionName(options.collection)
  if (options.kind !== undefined) parseCollectionKind(options.kind)
  return options
}

function nameOf({ collection, id }: RecordRef): string {
  return `${collection}/${id}`
}

function outdated(ref: RecordRef, expected: string, found: FoundConflict | undefined): AtollError<'CONFLICT'> {
  const what = nameOf(ref)
  return new AtollError('CONFLICT', `the conflict of ${what} is not the one that was looked at any more`, {
    what,
    subject: 'conflict',
    expected,
    ...(found === undefined ? {} : { actual: found.version }),
  })
}
