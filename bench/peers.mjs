import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { join } from 'node:path'
import { inEmptyDirectory } from './harness.mjs'

const run = promisify(execFile)
const home = fileURLToPath(new URL('peers/', import.meta.url))
const mostMs = 180_000

const stores = [
  { store: 'atoll', name: 'Atoll' },
  { store: 'pouchdb', name: 'PouchDB 9', module: 'pouchdb-node' },
  { store: 'hyperbee', name: 'Hyperbee 2', module: 'hyperbee' },
  { store: 'orbitdb', name: 'OrbitDB 3', module: '@orbitdb/core' },
  { store: 'git-documentdb', name: 'git-documentdb 0.4', module: 'git-documentdb' },
]
const sizes = [
  { sizeBytes: 130, records: 10_000 },
  { sizeBytes: 1_000, records: 10_000 },
  { sizeBytes: 16_000, records: 2_000 },
]

/** The same work on other databases, each in a process of its own that may fail alone. */
export async function peers({ directory, quick }) {
  await installPeers()
  const measured = []
  for (const { sizeBytes, records } of sizes)
    for (const { store, name, module } of stores) {
      const found = module === undefined || existsSync(join(home, 'node_modules', module))
      const result = found
        ? await measureStore(directory, store, sizeBytes, quick ? 300 : records)
        : { skipped: 'is not installed' }
      if (result.skipped !== undefined) process.stderr.write(`  ${name}, ${sizeBytes} B: ${result.skipped}\n`)
      measured.push({ name, sizeBytes, ...result })
    }
  return { peers: measured }
}

/** Their packages weigh some hundred megabytes, so they come when they are asked for. */
async function installPeers() {
  // npm writes this last: an install that was cut short is done again.
  if (existsSync(join(home, 'node_modules/.package-lock.json'))) return
  process.stderr.write('  installing …\n')
  const failed = await run('npm', ['ci', '--prefix', home, '--no-audit', '--no-fund', '--loglevel=error']).catch(
    error => error,
  )
  if (failed instanceof Error) process.stderr.write(`  the others could not be installed: ${failed.message}\n`)
}

function measureStore(directory, store, sizeBytes, records) {
  return inEmptyDirectory(join(directory, `${store}-${sizeBytes}`), async at => {
    const args = [join(home, 'run.mjs'), store, String(sizeBytes), String(records), at]
    try {
      const { stdout } = await run(process.execPath, args, { timeout: mostMs, killSignal: 'SIGKILL' })
      return JSON.parse(stdout.trim().split('\n').at(-1))
    } catch (error) {
      const why = error.killed ? `took longer than ${mostMs / 1000} s` : lastLine(error.stderr ?? error.message)
      return { skipped: `does not run here: ${why}` }
    }
  })
}

/** What was thrown, without the stack. */
function lastLine(text) {
  return /^\w*Error.*$/m.exec(text)?.[0].slice(0, 200) ?? text.trim().split('\n').at(-1)?.slice(0, 200) ?? ''
}
