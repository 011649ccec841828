import { divergence } from '../commits/divergence.ts'
import { assert } from '../errors.ts'
import type { CommitId } from '../ids.ts'
import { applyEdits, diffStates, lookupRecord } from '../layout/index.ts'
import type { RecordDifference, RecordEdit } from '../records.ts'
import { ConflictEntriesAt } from './conflict-entries-at.ts'
import { conflictEntryRef, encodeConflictEntry } from './conflict-entry.ts'
import { editOptions } from './merge-context.ts'
import type { MergeContext, State } from './merge-context.ts'
import { readSide } from './merge-side.ts'
import type { Side } from './merge-side.ts'
import { RecordResolver } from './record-resolver.ts'

export interface MergedState extends State {
  /** The head was an ancestor of ours, or one of them: nothing to do. */
  readonly unchanged: boolean
  /**
   * How the records differ from ours, conflict entries included, in batches; each record once, in no particular order. Where
   * the head descends from all of ours it is computed while it is read, so that a first sync need not fit into memory.
   */
  differences(): AsyncIterable<readonly RecordDifference[]>
}

/**
 * Adds one data commit, with its ancestors, to a state. The result is the state of the union of both histories, by the
 * definition of a state (a record's value comes from its versions), at the cost of what diverged:
 *
 * - a record changed on one side only has that side's value and entry;
 * - of one changed on both sides the versions are those of both sides that the other did not supersede, and the policy
 *   decides with exactly the history that the definition gives it.
 *
 * What changed on a side is the union of its commits' change lists, never a difference of end trees: a change undone later
 * does not show there, and still counts.
 */
export async function mergeHead(context: MergeContext, ours: State, head: CommitId): Promise<MergedState> {
  const { graph, store } = context
  const { left, right, common } = await divergence(graph, ours.heads, [head], { breathe: context.breathe })
  if (right.length === 0) return { ...ours, unchanged: true, differences: () => inOneBatch([]) }
  const theirs = right[0]!
  assert(theirs.id === head, 'a head is the latest of its history')
  if (left.length === 0)
    return {
      heads: [head],
      tree: theirs.tree,
      unchanged: false,
      differences: () => diffStates(store, ours.tree, theirs.tree),
    }
  const theirSide = await readSide(context, theirs.tree, right)
  const ourSide = await readSide(context, ours.tree, left, theirSide.changesByRecord)
  const resolver = new RecordResolver(context, { ours: ourSide, theirs: theirSide, common })
  const edits = await editsOfOurs(context, ourSide, theirSide, resolver)
  const differences: RecordDifference[] = []
  const onDifference = (difference: RecordDifference): void => void differences.push(difference)
  const { tree } = await applyEdits(store, ours.tree, edits, { ...editOptions(context), onDifference })
  const heads = [...ours.heads.filter(id => ourSide.commits.has(id)), head].sort()
  return { heads, tree, unchanged: false, differences: () => inOneBatch(differences) }
}

/** Records between two breaths. */
const BREATH = 256

/** What makes ours the state of both. Of what is there already no more is read than it takes to find the edits. */
async function editsOfOurs(
  context: MergeContext,
  ours: Side,
  theirs: Side,
  resolver: RecordResolver,
): Promise<RecordEdit[]> {
  const { store } = context
  const ourEntries = new ConflictEntriesAt(store, ours.tree)
  const theirEntries = new ConflictEntriesAt(store, theirs.tree)
  const edits: RecordEdit[] = []
  let records = 0
  for (const [key, theirChanges] of theirs.changesByRecord) {
    if (++records % BREATH === 0) await context.breathe?.()
    const { ref, after } = theirChanges[0]!.change
    const entryRef = conflictEntryRef(ref)
    const ourChanges = ours.changesByRecord.get(key)
    if (ourChanges === undefined) {
      const entry = await theirEntries.of(ref)
      if (entry !== undefined || (await ourEntries.of(ref)) !== undefined) edits.push({ ...entryRef, content: entry })
      // Without an entry there is one version, and that is the latest change.
      edits.push({ ...ref, content: entry === undefined ? after : await lookupRecord(store, theirs.tree, ref) })
    } else {
      const { content, entry } = await resolver.resolve(ref, ourChanges, theirChanges)
      const bytes = encodeConflictEntry(entry)
      edits.push({ ...entryRef, content: { format: 'json', version: store.blobId(bytes), bytes } })
      edits.push({ ...ref, content })
    }
  }
  return edits
}

async function* inOneBatch(differences: readonly RecordDifference[]): AsyncGenerator<readonly RecordDifference[]> {
  if (differences.length > 0) yield differences
}
