import type { ObjectStore } from '../contracts/object-store.ts'
import { AtollError } from '../errors.ts'
import { parseListRecordId, parseRecordId, parseStoredCollectionName, recordKey } from '../ids.ts'
import type { ObjectId, RecordKey, RecordRef } from '../ids.ts'
import { isCanonicalJson } from '../json/index.ts'
import { applyEdits, diffStates } from '../layout/index.ts'
import { MAX_COMMIT_CHANGES, MAX_COMMIT_VALUE_BYTES, MAX_VALUE_BYTES } from '../limits.ts'
import { ConflictEntriesAt } from '../merge/conflict-entries-at.ts'
import { editOptions } from '../merge/merge-context.ts'
import type { MergeContext } from '../merge/merge-context.ts'
import { conflictSubject, isConflictCollection } from '../records.ts'
import type { RecordDifference } from '../records.ts'
import { decodeUtf8 } from '../text.ts'
import { refusal } from './refusal.ts'
import { CLUSTER_COLLECTION, MEMBERS_COLLECTION } from './root-commit.ts'

/** Records between two breaths. */
const BREATH = 256

/**
 * May a data commit lead from the state `before` to the state `after`? Within the limits, records only of legal ids and
 * values, no line of a List changed in place, conflict entries settled and none made, nothing of what the root commit alone
 * says (members and rules: docs/decisions/0011), and the tree in the canonical layout. Gives the
 * differences.
 *
 * @throws REFUSED with the reason; what the store throws when objects cannot be read
 */
export async function verifyChanges(
  context: MergeContext,
  before: ObjectId,
  after: ObjectId,
): Promise<readonly RecordDifference[]> {
  const differences = await refusingBadTrees(() => readDifferences(context.store, before, after))
  const changed = new Map<RecordKey, RecordRef>()
  let bytes = 0
  for (const [i, difference] of differences.entries()) {
    if (i % BREATH === BREATH - 1) await context.breathe?.()
    const subject = conflictSubject(difference)
    if (subject !== undefined) {
      if (difference.after !== undefined) throw refusal('it writes a conflict entry')
      changed.set(recordKey(subject), subject)
    } else {
      bytes += await verifyDifference(context.store, difference)
      if (bytes > MAX_COMMIT_VALUE_BYTES) throw refusal(`more than ${MAX_COMMIT_VALUE_BYTES} bytes of values`)
      changed.set(recordKey(difference), difference)
    }
  }
  if (changed.size === 0) throw refusal('it changes nothing')
  if (changed.size > MAX_COMMIT_CHANGES) throw refusal(`more than ${MAX_COMMIT_CHANGES} changes`)
  await assertSettled(context.store, after, changed.values())
  const edits = differences.map(({ kind, collection, id, after: content }) => ({ kind, collection, id, content }))
  // The tree is a function of its records; so this proves that nothing else is in it, and that it is laid out as it must.
  const { tree } = await applyEdits(context.store, before, edits, editOptions(context))
  if (tree !== after) throw refusal('its tree is not in the canonical layout')
  return differences
}

async function readDifferences(store: ObjectStore, before: ObjectId, after: ObjectId): Promise<RecordDifference[]> {
  const all: RecordDifference[] = []
  // A settled conflict is a difference beside that of its record.
  const maxDifferences = 2 * MAX_COMMIT_CHANGES
  for await (const differences of diffStates(store, before, after, { maxDifferences })) all.push(...differences)
  return all
}

/** Gives the bytes of the new value. */
async function verifyDifference(store: ObjectStore, difference: RecordDifference): Promise<number> {
  const { kind, collection, before, after } = difference
  if (isConflictCollection(collection)) throw refusal('it writes where only conflict entries are')
  if (collection === MEMBERS_COLLECTION || collection === CLUSTER_COLLECTION)
    throw refusal('it changes what the root commit alone says: members, or the rules')
  if (!hasLegalName(difference)) throw refusal('it changes a record whose name is not legal')
  if (kind === 'lists' && before !== undefined && after !== undefined) throw refusal('it changes a line of a List')
  if (after === undefined) return 0
  const bytes = after.bytes ?? store.blobAtHand?.(after.version) ?? (await store.readBlob(after.version))
  if (bytes.length > MAX_VALUE_BYTES) throw refusal(`a value of more than ${MAX_VALUE_BYTES} bytes`)
  if (after.format === 'json' && !isCanonicalBytes(bytes)) throw refusal('a value that is not canonical JSON')
  return bytes.length
}

/** Whoever writes a record has seen the conflict that it is in, and settles it. */
async function assertSettled(store: ObjectStore, after: ObjectId, changed: Iterable<RecordRef>): Promise<void> {
  const entries = new ConflictEntriesAt(store, { tree: after })
  for (const ref of changed)
    if ((await entries.of(ref)) !== undefined) throw refusal('it changes a record and leaves its conflict entry')
}

function isCanonicalBytes(bytes: Uint8Array): boolean {
  try {
    return isCanonicalJson(decodeUtf8(bytes))
  } catch {
    // Not UTF-8.
    return false
  }
}

function hasLegalName({ kind, collection, id }: RecordRef): boolean {
  try {
    parseStoredCollectionName(collection)
    return kind === 'lists' ? parseListRecordId(id) === id : parseRecordId(id) === id
  } catch {
    return false
  }
}

/** A tree that the layout does not know makes its commit invalid; a store that cannot read says nothing about the commit. */
async function refusingBadTrees<Result>(read: () => Promise<Result>): Promise<Result> {
  try {
    return await read()
  } catch (error) {
    if (error instanceof AtollError && (error.code === 'INVALID' || error.code === 'TOO_LARGE'))
      throw refusal(error.message, undefined, error)
    throw error
  }
}
