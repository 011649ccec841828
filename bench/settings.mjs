import { parseArgs } from 'node:util'
import { allGroups, tableGroups } from './groups.mjs'

export const usage = `Usage: scripts/bench [--rows NAMES] [--records N] [--rounds N] [--quick] [--json] [--out FILE]
       scripts/bench --page [--check] [--out FILE]

  --rows     what to measure, by names with commas between; the whole table by default; "all" adds growth and peers
             ${Object.keys(tableGroups).join(' ')}
             ${Object.keys(allGroups)
               .filter(name => !(name in tableGroups))
               .join(' ')}
  --records  records in the large data set, 1000000 by default; other sizes are fractions of it
  --rounds   how often subject and reference take turns, 3 by default; medians are shown
  --quick    small sizes and one round: whether everything runs, in minutes; the figures mean nothing
  --json     results as JSON on stdout
  --out      put the results into this file, in place of those of the same names
  --page     measure nothing; write the tables of docs/performance.md from the results file (bench/results.json)
  --check    with --page: write nothing; fail if page and results differ
`

const quickRecords = 20_000

/** What the arguments ask for, or undefined when they make no sense. */
export function parseSettings(args) {
  let options
  try {
    options = parseArgs({
      args,
      options: {
        rows: { type: 'string' },
        records: { type: 'string' },
        rounds: { type: 'string' },
        quick: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        out: { type: 'string' },
        page: { type: 'boolean', default: false },
        check: { type: 'boolean', default: false },
        help: { type: 'boolean', default: false },
      },
    }).values
  } catch {
    return undefined
  }
  const { quick } = options
  const records = Number(options.records ?? (quick ? quickRecords : 1_000_000))
  const rounds = Number(options.rounds ?? (quick ? 1 : 3))
  const names = namesOf(options.rows)
  const valid = names.every(name => name in allGroups) && isWhole(records, 10_000) && isWhole(rounds, 1)
  return valid ? { ...options, names, records, burst: Math.round(records / 10), rounds } : undefined
}

function namesOf(rows) {
  if (rows === undefined) return Object.keys(tableGroups)
  return rows === 'all' ? Object.keys(allGroups) : rows.split(',')
}

function isWhole(value, least) {
  return Number.isSafeInteger(value) && value >= least
}
