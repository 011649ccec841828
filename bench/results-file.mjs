/**
 * The file of results, kept from run to run:
 *
 *     { "schema": "atoll/bench/v1", "groups": { <name of --rows>: {
 *         "date": ISO 8601, "seconds": number, "machine": {…}, "settings": { records, burst, rounds, quick },
 *         "rows": [{ title, unit, subject, referenceName?, reference?, ratio?, relation?, bar?, goal?, reached? }],
 *         "loop": [{ work, p99Ms, maxMs }] } } }
 *
 * `growth` has `growth` in place of `rows`, and `peers` has `peers`. A run replaces what it measured, and leaves the rest.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { allGroups } from './groups.mjs'

export const schema = 'atoll/bench/v1'

export function readResults(file) {
  if (!existsSync(file)) return { schema, groups: {} }
  const results = JSON.parse(readFileSync(file, 'utf8'))
  if (results.schema !== schema) throw new Error(`${file}: not ${schema}`)
  return results
}

export function writeResults(file, { groups }) {
  const sorted = Object.keys(allGroups)
    .filter(name => name in groups)
    .map(name => [name, groups[name]])
  writeFileSync(file, `${JSON.stringify({ schema, groups: Object.fromEntries(sorted) }, null, 2)}\n`)
}
