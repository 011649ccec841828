/**
 * Orders what one sender says: it grows with every message of it on the glob channel, over restarts too, and each hello bears
 * that of the newest one.
 */
export type Sequence = readonly [incarnation: number, counter: number]

/** Negative where the first is the older one, 0 where they are the same. */
export function compareSequences(one: Sequence, other: Sequence): number {
  return one[0] - other[0] || one[1] - other[1]
}
