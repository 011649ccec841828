import type { CommitId, NodeId } from '../ids.ts'
import { compareClock } from './clock.ts'
import type { Clock } from './clock.ts'

/**
 * What orders concurrent changes, and nothing else: clock, then node, then commit id. A total order of data commits that
 * extends ancestry, since a commit's clock exceeds that of each of its ancestors.
 */
export interface Stamp {
  readonly clock: Clock
  readonly node: NodeId
  readonly commit: CommitId
}

/** Negative, zero (the same commit) or positive. Node and commit ids are ASCII, so they compare as strings. */
export function compareStamp(a: Stamp, b: Stamp): number {
  const byClock = compareClock(a.clock, b.clock)
  if (byClock !== 0) return byClock
  if (a.node !== b.node) return a.node < b.node ? -1 : 1
  if (a.commit !== b.commit) return a.commit < b.commit ? -1 : 1
  return 0
}
