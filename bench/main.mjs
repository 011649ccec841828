/**
 * Measures Atoll beside its references, each pair in the same run, and prints ratios. Run by scripts/bench.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { allGroups } from './groups.mjs'
import { LoopDelays } from './loop-delay.mjs'
import { machine } from './machine.mjs'
import { readResults, schema, writeResults } from './results-file.mjs'
import { parseSettings, usage } from './settings.mjs'
import { printTables } from './table.mjs'

const settings = parseSettings(process.argv.slice(2))
if (settings === undefined || settings.help) {
  process.stderr.write(usage)
  process.exit(settings === undefined ? 2 : 0)
}
if (settings.page) process.exit(await page(settings))
await run(settings)
process.exit(0)

async function run({ out, json, ...what }) {
  const groups = await measure(what)
  if (out !== undefined) writeResults(out, { groups: { ...readResults(out).groups, ...groups } })
  if (json) console.log(JSON.stringify({ schema, groups }, null, 2))
  else printTables({ groups })
}

/** What was measured, by name, with when and where. */
async function measure({ names, records, burst, rounds, quick }) {
  const { DataSets } = await import('./data-sets.mjs')
  const directory = mkdtempSync(join(tmpdir(), 'atoll-bench-'))
  process.on('exit', () => rmSync(directory, { recursive: true, force: true, maxRetries: 5 }))
  process.on('SIGINT', () => process.exit(130))
  process.on('SIGTERM', () => process.exit(143))

  const dataSets = new DataSets(join(directory, 'data-sets'))
  const measured = {}
  for (const name of names) {
    const startedAt = Date.now()
    process.stderr.write(`${name} …\n`)
    const loop = new LoopDelays()
    const group = await allGroups[name]()
    const sizes = { records, burst, rounds, quick }
    const results = await group({ ...sizes, directory: join(directory, name), dataSets, loop })
    const seconds = Math.round((Date.now() - startedAt) / 1000)
    process.stderr.write(`  ${seconds} s\n`)
    const date = new Date(startedAt).toISOString()
    const about = { date, seconds, machine: machine(), settings: sizes }
    measured[name] = { ...about, ...(Array.isArray(results) ? { rows: results } : results), loop: loop.summary() }
  }
  return measured
}

/** The exit code. */
async function page({ out, check }) {
  const { pageIsTrue, writePage } = await import('./page.mjs')
  const results = readResults(out ?? fileURLToPath(new URL('results.json', import.meta.url)))
  if (!check) await writePage(results)
  else if (!(await pageIsTrue(results))) {
    process.stderr.write('docs/performance.md and bench/results.json differ: run scripts/bench --page\n')
    return 1
  }
  return 0
}
