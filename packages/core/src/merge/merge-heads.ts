import { composeMergeCommit } from '../commits/merge-commit.ts'
import type { CommitObject } from '../contracts/object-store.ts'
import { assert } from '../errors.ts'
import type { CommitId } from '../ids.ts'
import type { MergeContext, State } from './merge-context.ts'
import { addHeads } from './add-heads.ts'
import { writeState } from './unwritten-state.ts'

/** The state of some heads from scratch; whatever their order, the result is the same. */
export async function mergeHeads(context: MergeContext, heads: readonly CommitId[]): Promise<State> {
  const [first, ...others] = heads
  assert(first !== undefined, 'a state has a head')
  const { tree } = await context.graph.dataNode(first)
  return writeState(context, await addHeads(context, { heads: [first], tree }, others))
}

/** The commit that stands for a state: its one head, or the merge commit of its heads, which is written to the store. */
export async function mainOf(
  context: Pick<MergeContext, 'store' | 'graph'>,
  { heads, tree }: State,
): Promise<{ readonly id: CommitId; readonly merge?: CommitObject }> {
  const [only, ...others] = heads
  assert(only !== undefined, 'a state has a head')
  if (others.length === 0) return { id: only }
  const merge = composeMergeCommit(await Promise.all(heads.map(id => context.graph.dataNode(id))), tree)
  return { id: context.store.writeCommit(merge), merge }
}
