import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open } from 'atolldb'
import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { git } from '../packages/db/test/replication/nodes.ts'
import { commandLine, type CommandLine } from '../packages/cli/test/command-line.ts'

/** What one node exports another imports: the same records, ids and trees. */

let parent: string
let from: CommandLine
let to: CommandLine
const directoryOf = (name: 'from' | 'to'): string => join(parent, name)

beforeEach(async () => {
  parent = await mkdtemp(join(tmpdir(), 'atoll-export-'))
  onTestFinished(() => rm(parent, { recursive: true, force: true }))
  from = commandLine(directoryOf('from'))
  to = commandLine(directoryOf('to'))
  await from.atoll('init')
  await to.atoll('init')
})

/** The tree of a path of what is sealed. */
function treeOf(name: 'from' | 'to', path: string): string {
  return git({ directory: directoryOf(name) }, 'rev-parse', `main:${path}`).trim()
}

const oddIds = [
  '',
  ' ',
  '.',
  '..',
  'a/b',
  'a//b/',
  'CON',
  'nul.txt',
  '🌾',
  'é',
  'e\u0301',
  '%',
  '~',
  '\n\t',
  '__proto__',
  'x'.repeat(512),
]

async function fillOddly(): Promise<void> {
  const db = await open(directoryOf('from'))
  const farms = db.object<unknown>('farms')
  for (const [n, id] of oddIds.entries()) await farms.put(id, n % 2 === 0 ? { n, text: `"${id}"\n` } : n / 3)
  await farms.put(
    'photo',
    Uint8Array.from({ length: 256 }, (_, i) => i),
  )
  await farms.put('none', new Uint8Array())
  // Values that look like records of an export.
  await farms.put('nested', { id: 'north', value: 1 })
  await farms.put('bytes?', { id: 'north', bytes: 'AQI=' })
  for (let n = 0; n < 200; n++) await farms.put(`n${n}`, { n })
  const readings = db.list<unknown>('readings')
  await readings.insertMany(Array.from({ length: 300 }, (_, n) => ({ id: `sensor ${n}`, value: n })))
  await readings.insertMany([null, 'text', [1, { a: [] }], { __proto__: null, deep: { er: true } }])
  await db.close()
}

describe.each(['jsonl', 'json'])('%s', format => {
  it('goes from node to node: the same ids, values and trees; a second time changes nothing', async () => {
    await fillOddly()
    for (const [collection, list, path] of [
      ['farms', [], 'objects/farms'],
      ['readings', ['--list'], 'lists/readings'],
    ] as const) {
      const text = await from.atoll('export', collection, '--format', format)
      const file = join(parent, `${collection}.${format}`)
      await writeFile(file, text)
      const imported = await to.atoll('import', collection, file, ...list)
      expect(imported).toBe('')
      const commit = await to.atoll('flush')
      expect(treeOf('to', path)).toBe(treeOf('from', path))
      await to.atoll('import', collection, file, ...list)
      expect(await to.atoll('flush')).toBe(commit)
      expect(await to.atoll('export', collection, '--format', format)).toBe(text)
    }
  })
})

it('takes a record of a List that is there with another value for a bad row', async () => {
  const id = '01j0000000000000000000000a'
  const lines = [1, 2, 3].map((value, n) => JSON.stringify({ id: `${id.slice(0, -1)}${n}`, value })).join('\n')
  expect((await to.run(['import', 'readings', '-', '--format', 'jsonl', '--list'], { stdin: lines })).code).toBe(0)
  const changed = lines.replace('"value":2', '"value":"two"')
  const bad = await to.run(['import', 'readings', '-', '--format', 'jsonl', '--list'], { stdin: changed })
  expect({ code: bad.code, stderr: bad.stderr }).toMatchObject({
    code: 4,
    stderr: expect.stringMatching(/line 2: .*EXISTS/) as string,
  })
  const skipping = ['import', 'readings', '-', '--format', 'jsonl', '--list', '--skip-bad', '--json']
  const { stdout } = await to.run(skipping, { stdin: changed })
  expect(JSON.parse(stdout)).toMatchObject({ records: 2, skipped: 1 })
  expect(await to.atoll('get', 'readings', `${id.slice(0, -1)}1`)).toBe('2')
})

it('exports what was: --at, also of what was dropped', async () => {
  await from.atoll('put', 'farms', 'north', '{"crop":"rye"}')
  const commit = await from.atoll('flush')
  await from.atoll('drop', 'farms', '--yes')
  expect(await from.run(['export', 'farms'])).toMatchObject({ code: 3, stdout: '' })
  expect(await from.atoll('export', 'farms', '--at', commit)).toBe('{"id":"north","value":{"crop":"rye"}}')
  expect(await from.atoll('export', 'farms', '--at', commit, '--format', 'csv')).toBe('id,crop\nnorth,rye')
})

it('gives a CSV file back as it was imported', async () => {
  const text = 'iata,city,lat\n00M,Bay Springs,31.95\n0E0,"Moriarty, ""NM""",-5\nCON,"two\nlines",true\n'
  const file = join(parent, 'airports.csv')
  await writeFile(file, text)
  await from.atoll('import', 'airports', file, '--id', 'iata')
  expect(await from.atoll('export', 'airports', '--format', 'csv', '--id', 'iata')).toBe(text.trimEnd())
  const bad = await from.run(['export', 'airports', '--id', 'iata'])
  expect(bad.code).toBe(2)
})
