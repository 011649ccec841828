const FIRST_DELAY_MS = 500
const LONGEST_DELAY_MS = 30_000

/** A connection that lasted longer than this was a good one: the next failure starts over. */
export const LASTING_CONNECTION_MS = LONGEST_DELAY_MS

/**
 * How long to wait before the next dial, in milliseconds: doubled for each failure in a row from 0.5 s to 30 s, of which
 * the upper half is chance, so that nodes that lost each other together do not come back together.
 */
export function backOffMs(failures: number, random: () => number): number {
  const delay = Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** Math.min(failures, 16))
  return delay * (0.5 + random() / 2)
}
