import { divergence } from '../commits/divergence.ts'
import { assert } from '../errors.ts'
import type { CommitId, RecordKey } from '../ids.ts'
import { recordKey } from '../ids.ts'
import { lookupRecord } from '../layout/index.ts'
import type { RecordEdit } from '../records.ts'
import { ConflictEntriesAt } from './conflict-entries-at.ts'
import { conflictEntryRef, encodeConflictEntry } from './conflict-entry.ts'
import type { MergeContext, State } from './merge-context.ts'
import { readSide } from './merge-side.ts'
import type { Side } from './merge-side.ts'
import { RecordResolver } from './record-resolver.ts'
import type { UnwrittenState } from './unwritten-state.ts'

/**
 * Adds data commits, with their ancestors, to a state, one after the other. Each result is the state of the union of both
 * histories, by the definition of a state (a record's value comes from its versions), at the cost of what diverged:
 *
 * - a record changed on one side only has that side's value and entry;
 * - of one changed on both sides the versions are those of both sides that the other did not supersede, and the policy
 *   decides with exactly the history that the definition gives it.
 *
 * What changed on a side is the union of its commits' change lists, never a difference of end trees: a change undone later
 * does not show there, and still counts.
 *
 * Heads that were in the state leave it as it is, with the heads it had. One that descends from all of the state's brings its
 * own tree, without edits.
 */
export async function addHeads(
  context: MergeContext,
  ours: State,
  added: readonly CommitId[],
): Promise<UnwrittenState> {
  let { heads, tree } = ours
  // One map for all: with many heads to add, copies would cost more than the merges.
  let edits = new Map<RecordKey, RecordEdit>()
  for (const head of added) {
    const { left, right, common } = await divergence(context.graph, heads, [head], { breathe: context.breathe })
    const theirs = right[0]
    if (theirs === undefined) continue
    assert(theirs.id === head, 'a head is the latest of its history')
    if (left.length === 0) {
      heads = [head]
      tree = theirs.tree
      edits = new Map()
      continue
    }
    const theirSide = await readSide(context, { tree: theirs.tree }, right)
    const ourSide = await readSide(context, { tree, edits }, left, theirSide.changesByRecord)
    const resolver = new RecordResolver(context, { ours: ourSide, theirs: theirSide, common })
    // Of what a record was nobody asks once its edit is known.
    for await (const edit of editsOfOurs(context, ourSide, theirSide, resolver)) edits.set(recordKey(edit), edit)
    heads = [...heads.filter(id => ourSide.commits.has(id)), head].sort()
  }
  return { heads, tree, edits }
}

/** Records between two breaths. */
const BREATH = 256

/** What makes ours the state of both. Of what is there already no more is read than it takes to find the edits. */
async function* editsOfOurs(
  context: MergeContext,
  ours: Side,
  theirs: Side,
  resolver: RecordResolver,
): AsyncGenerator<RecordEdit> {
  const { store } = context
  const ourEntries = new ConflictEntriesAt(store, ours.state)
  const theirEntries = new ConflictEntriesAt(store, theirs.state)
  let records = 0
  for (const [key, theirChanges] of theirs.changesByRecord) {
    if (++records % BREATH === 0) await context.breathe?.()
    const { ref, after } = theirChanges[0]!.change
    const entryRef = conflictEntryRef(ref)
    const ourChanges = ours.changesByRecord.get(key)
    if (ourChanges === undefined) {
      const entry = await theirEntries.of(ref)
      if (entry !== undefined || (await ourEntries.of(ref)) !== undefined) yield { ...entryRef, content: entry }
      // Without an entry there is one version, and that is the latest change.
      yield { ...ref, content: entry === undefined ? after : await lookupRecord(store, theirs.state.tree, ref) }
    } else {
      const { content, entry } = await resolver.resolve(ref, ourChanges, theirChanges)
      const bytes = encodeConflictEntry(entry)
      yield { ...entryRef, content: { format: 'json', version: store.blobId(bytes), bytes } }
      yield { ...ref, content }
    }
  }
}
