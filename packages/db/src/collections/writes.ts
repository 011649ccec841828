import { AtollError, type RecordRef } from '@atolldb/core'
import type { JournalChange } from '../journal/frame.ts'
import { contentVersion } from '../engine/content.ts'
import type { RecordStore } from '../engine/record-store.ts'
import type { ViewContent } from '../view/encoding.ts'

export interface RecordChangeOptions {
  /** It is the decision that a conflict waits for, which collections that `keep` conflicts ask for. */
  readonly settles?: boolean
}

/**
 * The changes that setting a record makes: a write to a record in conflict settles the conflict.
 * @throws SCHEMA, and CONFLICT where the collection keeps conflicts until they are resolved
 */
export function recordChanges(
  store: RecordStore,
  ref: RecordRef,
  content: ViewContent | undefined,
  { settles = false }: RecordChangeOptions = {},
): JournalChange[] {
  if (content !== undefined) store.rules.checkValue(ref, content)
  // Deleting what is not there may still settle a conflict.
  const changes =
    content === undefined && store.read(ref) === undefined
      ? []
      : [{ kind: ref.kind, collection: ref.collection, id: ref.id, content }]
  const entry = store.conflictEntry(ref)
  if (entry === undefined) return changes
  if (!settles) store.rules.checkSettled(ref)
  return [...changes, { ...entry, content: undefined }]
}

/** @throws CONFLICT */
export function checkVersion(ref: RecordRef, current: ViewContent | undefined, ifVersion: string | undefined): void {
  if (ifVersion === undefined) return
  const actual = current === undefined ? undefined : contentVersion(current)
  if (actual === ifVersion) return
  throw new AtollError('CONFLICT', `${ref.collection}/${ref.id} is not at version ${ifVersion}`, {
    what: `${ref.collection}/${ref.id}`,
    expected: ifVersion,
    ...(actual === undefined ? {} : { actual }),
  })
}

/** @throws EXISTS */
export function checkAbsent(ref: RecordRef, current: ViewContent | undefined): void {
  if (current !== undefined)
    throw new AtollError('EXISTS', `${ref.collection}/${ref.id} exists`, { collection: ref.collection, id: ref.id })
}

/** A record of a List is immutable: is it there already, with that content? @throws EXISTS when it has another one */
export function checkRestorable(ref: RecordRef, current: ViewContent | undefined, content: ViewContent): boolean {
  const isThere = current !== undefined && contentVersion(current) === contentVersion(content)
  if (!isThere) checkAbsent(ref, current)
  return isThere
}

/** @throws MISSING */
export function checkPresent(ref: RecordRef, current: ViewContent | undefined): asserts current is ViewContent {
  if (current === undefined)
    throw new AtollError('MISSING', `${ref.collection}/${ref.id} does not exist`, { what: ref.collection, id: ref.id })
}
