import { invalid, parseRecordId } from '@atolldb/core'
import type { RangeOptions } from '../api/collections.ts'
import type { ViewRange } from '../view/view.ts'

/** What a range asks for, checked; `limit` is Infinity where there is none. */
export interface CheckedRange {
  readonly bounds: ViewRange
  readonly limit: number
}

/** Bounds need not be ids of the collection, only text that could be one. @throws INVALID, TOO_LARGE */
export function checkRange(range: RangeOptions, toId: (bound: string) => string = bound => bound): CheckedRange {
  const { limit = Infinity, reverse = false } = range
  if (limit !== Infinity && (!Number.isInteger(limit) || limit < 0)) throw invalid('limit', 'must be a whole number')
  const bounds: { -readonly [Key in keyof ViewRange]: ViewRange[Key] } = { reverse }
  for (const name of ['gt', 'gte', 'lt', 'lte'] as const) {
    const bound = range[name]
    if (bound !== undefined) bounds[name] = toId(parseRecordId(bound))
  }
  return { bounds, limit }
}
