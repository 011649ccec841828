import {
  AtollError,
  type CollectionKind,
  type CollectionName,
  type CollectionSettings,
  conflictEntryRef,
  decodeConflictEntry,
  decodeSettings,
  invalid,
  type JsonValue,
  type RecordRef,
  settingsRef,
} from '@atolldb/core'
import type { ViewContent } from '../view/encoding.ts'
import type { Schemas } from './schemas.ts'

/** What is asked for: the records as they are in this turn of the loop. */
export interface CurrentRecords {
  read(ref: RecordRef): ViewContent | undefined
  mayHaveRecords(kind: CollectionKind, collection: CollectionName): boolean
}

/** Where the settings of all collections are. */
export const settingsCollection = settingsRef('objects', '' as CollectionName).collection

/** What the settings of collections demand of local writes. What comes from elsewhere is never refused for them. */
export class CollectionRules {
  readonly #records: CurrentRecords
  readonly #schemas: Schemas
  /** The last settings read of each collection, by the bytes they were read from. */
  readonly #decoded = new Map<string, { readonly content: ViewContent; readonly settings: CollectionSettings }>()

  constructor(records: CurrentRecords, schemas: Schemas) {
    this.#records = records
    this.#schemas = schemas
  }

  settings(kind: CollectionKind, collection: CollectionName): CollectionSettings {
    // Nobody has set anything: that costs no read.
    if (!this.#records.mayHaveRecords('objects', settingsCollection)) return {}
    const ref = settingsRef(kind, collection)
    const content = this.#records.read(ref)
    if (content === undefined) return {}
    const known = this.#decoded.get(ref.id)
    if (known !== undefined && Buffer.compare(known.content.bytes, content.bytes) === 0) return known.settings
    const settings = decodeSettings(content.bytes)
    this.#decoded.set(ref.id, { content, settings })
    return settings
  }

  /** May this value be written here? @throws SCHEMA, INVALID (too much to check) */
  checkValue({ kind, collection, id }: RecordRef, content: ViewContent): void {
    const { schema } = this.settings(kind, collection)
    if (schema === undefined) return
    const violation =
      content.format === 'bytes'
        ? { path: '', rule: 'type', reason: 'bytes follow no schema' }
        : this.#schemas.violationOf(schema, JSON.parse(Buffer.from(content.bytes).toString('utf8')) as JsonValue)
    if (violation === undefined) return
    if (violation === 'limits')
      throw invalid(
        `${collection}/${id}`,
        'checking the value takes more steps than a schema may: make the value smaller, or the schema simpler',
      )
    const { path, rule, reason } = violation
    const where = path === '' ? 'the value' : path
    throw new AtollError('SCHEMA', `${collection}/${id}: ${where} ${reason} (${rule})`, {
      collection,
      id,
      ...violation,
    })
  }

  /** Under `keep`, what is contested waits for a decision: no plain write goes over it. @throws CONFLICT */
  checkSettled(ref: RecordRef): void {
    if (ref.kind === 'lists' || this.settings(ref.kind, ref.collection).policy !== 'keep') return
    const entry = this.#records.read(conflictEntryRef(ref))
    if (entry === undefined || !decodeConflictEntry(entry.bytes).contested) return
    const what = `${ref.collection}/${ref.id}`
    throw new AtollError('CONFLICT', `${what} is in conflict, and its collection keeps that until it is resolved`, {
      what,
      subject: 'kept-conflict',
    })
  }
}
