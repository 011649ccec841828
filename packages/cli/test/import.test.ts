import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeEach, expect, it } from 'vitest'
import { commandLine, temporaryDirectory, type CommandLine } from './command-line.ts'

/** Files that people have, into a node. */

const data = new URL('../../../node_modules/vega-datasets/data/', import.meta.url)
const airports = fileURLToPath(new URL('airports.csv', data))
const weather = fileURLToPath(new URL('seattle-weather-hourly-normals.csv', data))

let parent: string
let run: CommandLine['run']
let atoll: CommandLine['atoll']

beforeEach(async () => {
  parent = temporaryDirectory()
  ;({ run, atoll } = commandLine(join(parent, 'a')))
  await atoll('init')
})

it('reads real CSV into an Object and a List', async () => {
  const result = JSON.parse(await atoll('import', 'airports', airports, '--id', 'iata', '--json')) as object
  expect(result).toMatchObject({ schema: 'atoll/import/v1', kind: 'objects', records: 3376, batches: 4, skipped: 0 })
  expect(await atoll('count', 'airports')).toBe('3376')
  expect(JSON.parse(await atoll('get', 'airports', '00M'))).toEqual({
    iata: '00M',
    name: 'Thigpen',
    city: 'Bay Springs',
    state: 'MS',
    country: 'USA',
    latitude: 31.95376472,
    longitude: -89.23450472,
  })
  expect(JSON.parse(await atoll('get', 'airports', '0E0'))).toMatchObject({ iata: '0E0' })
  const first = await run(['import', 'weather', weather, '--list'])
  expect(first.stderr).toContain('8,759 records in 9 batches')
  const again = await run(['import', 'weather', weather, '--list'])
  expect(again.stderr).toContain('8,759 records already')
  expect(await atoll('count', 'weather')).toBe('17518')
})

it('stops at the first bad row, says its line and what was kept', async () => {
  const rows = Array.from({ length: 1500 }, (_, i) => `${i},x`)
  const file = join(parent, 'rows.csv')
  await writeFile(file, ['id,name', ...rows, '7,again', '2000,y'].join('\n'))
  const { code, stderr } = await run(['import', 'rows', file, '--id', 'id'])
  expect(code).toBe(2)
  expect(stderr).toContain('line 1502')
  expect(stderr).toContain('line 9')
  expect(stderr).toContain('1000 records')
  expect(await atoll('count', 'rows')).toBe('1000')
  const skipping = JSON.parse(await atoll('import', 'rows', file, '--id', 'id', '--skip-bad', '--json')) as object
  expect(skipping).toMatchObject({ records: 1501, skipped: 1 })
  await atoll('import', 'rows', file, '--id', 'id', '--on-duplicate', 'last')
  expect(JSON.parse(await atoll('get', 'rows', '7'))).toEqual({ id: 7, name: 'again' })
})
