import type { ObjectReader } from '../contracts/object-store.ts'
import type { CommitId, ObjectId, RecordKey } from '../ids.ts'
import { recordKey } from '../ids.ts'
import { applyEdits, diffStates } from '../layout/index.ts'
import type { RecordDifference, RecordEdit } from '../records.ts'
import { editOptions } from './merge-context.ts'
import type { MergeContext, State } from './merge-context.ts'

/** The records of a tree, some of which are no longer as it says. */
export interface RecordsAt {
  readonly tree: ObjectId
  readonly edits?: ReadonlyMap<RecordKey, RecordEdit>
}

/**
 * The state of some heads before its trees are made: the records of a tree, and those that merges since gave another value or
 * conflict entry. What a merge costs until its records are known does not depend on how many there are; what its trees cost
 * does, so they are written once, however many heads were added.
 */
export interface UnwrittenState extends RecordsAt {
  /** Data commits, none an ancestor of another, sorted by id. */
  readonly heads: readonly CommitId[]
  readonly edits: ReadonlyMap<RecordKey, RecordEdit>
}

/** Writes the trees of a state. `onDifference` is told of each record that is not as `state.tree` has it. */
export async function writeState(
  context: MergeContext,
  { heads, tree, edits }: UnwrittenState,
  onDifference?: (difference: RecordDifference) => void,
): Promise<State> {
  if (edits.size === 0) return { heads, tree }
  const told = onDifference === undefined ? {} : { onDifference }
  const edited = await applyEdits(context.store, tree, edits.values(), { ...editOptions(context), ...told })
  return { heads, tree: edited.tree }
}

/**
 * What makes a written state this one, each record once, in batches: some may say what is there already. What is read of
 * trees need not fit into memory.
 */
export async function* editsSince(
  reader: ObjectReader,
  before: State,
  { tree, edits }: UnwrittenState,
): AsyncGenerator<readonly RecordEdit[]> {
  for await (const differences of diffStates(reader, before.tree, tree)) {
    const untouched = differences.filter(difference => !edits.has(recordKey(difference)))
    yield untouched.map(({ kind, collection, id, after }) => ({ kind, collection, id, content: after }))
  }
  if (edits.size > 0) yield [...edits.values()]
}
