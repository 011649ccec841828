import { invalid } from '@atolldb/core/errors'

const msByUnit: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }

/** `500ms`, `10s`, `2m`, `1h` in milliseconds. @throws INVALID */
export function parseDuration(text: string, what: string): number {
  const [, digits, unit] = /^(\d{1,9})(ms|s|m|h)$/.exec(text) ?? []
  const factor = unit === undefined ? undefined : msByUnit[unit]
  if (digits === undefined || factor === undefined)
    throw invalid(what, `${JSON.stringify(text)} is not a duration such as 500ms, 10s, 2m, 1h`)
  return Number(digits) * factor
}

/** A whole number of at least `minimum`. @throws INVALID */
export function parseWhole(text: string, what: string, minimum = 1): number {
  if (!/^\d{1,9}$/.test(text) || Number(text) < minimum)
    throw invalid(what, `${JSON.stringify(text)} is not a whole number of at least ${minimum}`)
  return Number(text)
}
