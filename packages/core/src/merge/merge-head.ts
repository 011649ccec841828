import type { CommitId } from '../ids.ts'
import { diffStates } from '../layout/index.ts'
import type { RecordDifference } from '../records.ts'
import { addHeads } from './add-heads.ts'
import type { MergeContext, State } from './merge-context.ts'
import { writeState } from './unwritten-state.ts'

export interface MergedState extends State {
  /** The head was an ancestor of ours, or one of them: nothing to do. */
  readonly unchanged: boolean
  /**
   * How the records differ from ours, conflict entries included, in batches; each record once, in no particular order. Where
   * the head descends from all of ours it is computed while it is read, so that a first sync need not fit into memory.
   */
  differences(): AsyncIterable<readonly RecordDifference[]>
}

/** Adds one data commit to a state, as `addHeads` does, and writes the trees of the result. */
export async function mergeHead(context: MergeContext, ours: State, head: CommitId): Promise<MergedState> {
  const merged = await addHeads(context, ours, [head])
  const { heads, tree, edits } = merged
  if (isSameHeads(heads, ours.heads)) return { ...ours, unchanged: true, differences: () => inOneBatch([]) }
  if (edits.size === 0)
    return { heads, tree, unchanged: false, differences: () => diffStates(context.store, ours.tree, tree) }
  const differences: RecordDifference[] = []
  const state = await writeState(context, merged, difference => void differences.push(difference))
  return { ...state, unchanged: false, differences: () => inOneBatch(differences) }
}

async function* inOneBatch(differences: readonly RecordDifference[]): AsyncGenerator<readonly RecordDifference[]> {
  if (differences.length > 0) yield differences
}

/** Heads are sorted. */
export function isSameHeads(a: readonly CommitId[], b: readonly CommitId[]): boolean {
  return a.length === b.length && a.every((id, i) => id === b[i])
}
