import type { CommitGraph } from '../commits/commit-graph.ts'
import type { ObjectStore } from '../contracts/object-store.ts'
import type { RuleRunner } from '../contracts/rule-runner.ts'
import type { CommitId, ObjectId } from '../ids.ts'
import type { EditOptions } from '../layout/index.ts'
import type { ChangeLists } from './change-lists.ts'

/** What merging works with. */
export interface MergeContext {
  /** New trees and merged values are written here; nothing names them before the caller does. */
  readonly store: ObjectStore
  readonly graph: CommitGraph
  readonly changes: ChangeLists
  /** Runs scripts and schemas of collections; who has none merges only collections without. */
  readonly rules?: RuleRunner
  /** Called every now and then in long work, so that others get their turn. */
  readonly breathe?: () => Promise<void>
}

export function editOptions({ breathe }: MergeContext): EditOptions {
  return breathe === undefined ? {} : { breathe }
}

/** The state of some heads: data commits, none an ancestor of another, sorted by id, and the tree of all they know. */
export interface State {
  readonly heads: readonly CommitId[]
  readonly tree: ObjectId
}
