import { type Clock, MAX_DRIFT_MS } from '@atolldb/core'

/** No wall clock of a machine that runs this program is before this: 2026-11-01. */
const BUILD_DATE_MS = Date.UTC(2026, 10, 1)

/**
 * The wall clock as far as it can be trusted: a board without a battery boots in 1970, and a clock that is behind what this
 * node has adopted, by more than clocks of a cluster may differ, is wrong too. Undefined then: nothing is held back against it.
 */
export function trustedNowMs(nowMs: number, newest: Clock | undefined): number | undefined {
  if (nowMs < BUILD_DATE_MS) return undefined
  return newest !== undefined && newest.ms > nowMs + MAX_DRIFT_MS ? undefined : nowMs
}
