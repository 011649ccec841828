/**
 * Measures Atoll beside its references, each pair in the same process and minute, and prints ratios. Run by scripts/bench.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { machine } from './machine.mjs'
import { printTable } from './table.mjs'
import { firstSync } from './rows/first-sync.mjs'
import { get } from './rows/get.mjs'
import { propagation } from './rows/propagation.mjs'
import { putBurst } from './rows/put-burst.mjs'
import { putOne } from './rows/put-one.mjs'
import { seal } from './rows/seal.mjs'

const rows = { 'put-one': putOne, 'put-burst': putBurst, get, seal, 'first-sync': firstSync, propagation }

const usage = `Usage: scripts/bench [--rows ${Object.keys(rows).join(',')}] [--records 100000] [--rounds 5] [--json]

  --rows     what to measure; all of it by default
  --records  records in the larger rows
  --rounds   how often subject and reference take turns; medians are shown
  --json     results as JSON on stdout
`

const { values: options } = parseArgs({
  options: {
    rows: { type: 'string', default: Object.keys(rows).join(',') },
    records: { type: 'string', default: '100000' },
    rounds: { type: 'string', default: '5' },
    json: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})

const names = options.rows.split(',')
const settings = { records: Number(options.records), rounds: Number(options.rounds) }
const valid = names.every(name => name in rows) && settings.records >= 1000 && settings.rounds >= 1
if (options.help || !valid) {
  process.stderr.write(usage)
  process.exit(options.help ? 0 : 2)
}

const directory = mkdtempSync(join(tmpdir(), 'atoll-bench-'))
process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
process.on('SIGINT', () => process.exit(130))
process.on('SIGTERM', () => process.exit(143))

const results = []
for (const name of names) {
  process.stderr.write(`${name} …\n`)
  results.push({ row: name, ...(await rows[name]({ ...settings, directory: join(directory, name) })) })
}

if (options.json)
  console.log(JSON.stringify({ schema: 'atoll/bench/v1', machine: machine(), settings, results }, null, 2))
else printTable(machine(), results)
process.exit(0)
