import type { DataNode } from '../commits/commit-graph.ts'
import type { CommitId, RecordKey } from '../ids.ts'
import type { Change } from './change-lists.ts'
import type { MergeContext } from './merge-context.ts'
import type { RecordsAt } from './unwritten-state.ts'

/** What one of two histories has that the other lacks. */
export interface Side {
  /** The state of the whole history. */
  readonly state: RecordsAt
  /** The commits that the other side lacks, the latest first. */
  readonly commits: ReadonlyMap<CommitId, DataNode>
  /** Their changes by record, the latest first. */
  readonly changesByRecord: ReadonlyMap<RecordKey, readonly SideChange[]>
}

export interface SideChange {
  readonly commit: DataNode
  readonly change: Change
}

/** Commits between two breaths. */
const BREATH = 64

/** Collects a side's changes; where `wanted` is given, those of its records only, so that the smaller side bounds the memory. */
export async function readSide(
  context: MergeContext,
  state: RecordsAt,
  commits: readonly DataNode[],
  wanted?: ReadonlyMap<RecordKey, unknown>,
): Promise<Side> {
  const changesByRecord = new Map<RecordKey, SideChange[]>()
  for (const [i, commit] of commits.entries()) {
    if (i % BREATH === BREATH - 1) await context.breathe?.()
    const list = await context.changes.of(commit)
    for (const key of smallerKeys(list, wanted)) {
      const change = list.get(key)
      if (change === undefined || wanted?.has(key) === false) continue
      const changes = changesByRecord.get(key)
      if (changes === undefined) changesByRecord.set(key, [{ commit, change }])
      else changes.push({ commit, change })
    }
  }
  return { state, commits: new Map(commits.map(commit => [commit.id, commit])), changesByRecord }
}

/** Enough to find the keys that both have. */
function smallerKeys(
  list: ReadonlyMap<RecordKey, unknown>,
  wanted: ReadonlyMap<RecordKey, unknown> | undefined,
): Iterable<RecordKey> {
  return wanted !== undefined && wanted.size < list.size ? wanted.keys() : list.keys()
}
