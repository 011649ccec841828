/**
 * A moment in the past, as the name of a commit gives it between `@{` and `}`:
 *
 *     2026-03-01, 2026-03-01T12:00, 2026-03-01T12:00:30.5Z, 2026-03-01T12:00+02:00     ISO 8601; without a zone it is UTC
 *     now, yesterday                                                                    yesterday: 24 hours ago
 *     2 hours ago, 1 day ago                                                            seconds, minutes, hours, days, weeks
 */
import { invalid } from '@atolldb/core'

const isoPattern = /^\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d:\d\d)?)?$/
const agoPattern = /^(\d{1,9}) (second|minute|hour|day|week)s? ago$/

const DAY_MS = 24 * 60 * 60 * 1000
const unitMs: Readonly<Record<string, number>> = {
  second: 1000,
  minute: 60 * 1000,
  hour: 60 * 60 * 1000,
  day: DAY_MS,
  week: 7 * DAY_MS,
}

/** Milliseconds since 1970. @throws INVALID */
export function parseTimeExpression(text: string, nowMs: number): number {
  if (text === 'now') return nowMs
  if (text === 'yesterday') return nowMs - DAY_MS
  const ago = agoPattern.exec(text)
  if (ago !== null) return nowMs - Number(ago[1]) * (unitMs[ago[2] ?? ''] ?? 0)
  const iso = isoPattern.exec(text)
  // A date alone is UTC to JavaScript, a date with a time is local: ours never depends on the machine.
  const ms = iso === null ? Number.NaN : Date.parse(iso[1] === undefined && text.includes('T') ? `${text}Z` : text)
  if (Number.isNaN(ms))
    throw invalid('time', `${JSON.stringify(text.slice(0, 64))} is neither ISO 8601 nor like "2 hours ago"`)
  return ms
}
