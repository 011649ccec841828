import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, expect, it } from 'vitest'
import { commandLine, temporaryDirectory, type CommandLine } from './command-line.ts'

/** What the commands do on a directory that no node has open. */

let parent: string
let run: CommandLine['run']
let atoll: CommandLine['atoll']
let bytes: CommandLine['bytes']

beforeEach(() => {
  parent = temporaryDirectory()
  ;({ run, atoll, bytes } = commandLine(join(parent, 'a')))
})

it('keeps records from one command to the next', async () => {
  const node = await atoll('init', '--name', 'barn')
  expect(node).toMatch(/^12D3Koo/)
  expect(await atoll('init')).toBe(node)
  const version = await atoll('put', 'farms', 'north', '{"crop":"rye"}')
  expect(version).toMatch(/^[0-9a-f]{40}$/)
  expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
  expect(JSON.parse(await atoll('get', 'farms', 'north', '--json'))).toEqual({
    schema: 'atoll/record/v1',
    collection: 'farms',
    id: 'north',
    value: { crop: 'rye' },
    version,
  })
  await atoll('patch', 'farms', 'north', '{"area":12}')
  expect(await atoll('get', 'farms', 'north')).toBe('{"area":12,"crop":"rye"}')
  const id = await atoll('insert', 'readings', '{"t":21.5}')
  expect(await atoll('ls')).toBe('farms     Object  1\nreadings  List    1')
  expect(await atoll('get', 'readings', id)).toBe('{"t":21.5}')
  expect(await atoll('count', 'readings')).toBe('1')
  await atoll('del', 'readings', id)
  await atoll('del', 'readings', id)
  expect(await atoll('count', 'readings', '--json')).toContain('"records":0')
  const commit = await atoll('flush')
  expect(commit).toMatch(/^[0-9a-f]{40}$/)
  const compacted = JSON.parse(await atoll('compact', '--json')) as object
  expect(compacted).toMatchObject({ schema: 'atoll/compact/v1', packsAfter: 1 })
  expect(await atoll('compact')).toBe('')
  const [entry] = (await atoll('log', '--json')).split('\n').map(line => JSON.parse(line) as { commit: string })
  expect(entry).toMatchObject({ schema: 'atoll/log/v1', commit, author: { name: 'barn' } })
  expect(JSON.parse(await atoll('status', '--json'))).toMatchObject({
    schema: 'atoll/status/v1',
    main: commit,
    name: 'barn',
  })
})

it('takes values from stdin, bytes from files, and gives them back as they were', async () => {
  await atoll('init')
  expect((await run(['put', 'farms', 'north', '-'], { stdin: ' {"crop" : "rye"}\n' })).code).toBe(0)
  expect(await atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
  const photo = Buffer.from(Array.from({ length: 256 }, (_, i) => i))
  await writeFile(join(parent, 'photo'), photo)
  await atoll('put', 'farms', 'photo', '--bytes', join(parent, 'photo'))
  expect(await bytes('get', 'farms', 'photo')).toEqual(photo)
  expect(await atoll('put', 'farms', 'n', '--', '-5')).toMatch(/^[0-9a-f]{40}$/)
  expect(await atoll('get', 'farms', 'n')).toBe('-5')
})

it('lists ranges', async () => {
  await atoll('init')
  const lines = ['a', 'b', 'c', 'd'].map(id => JSON.stringify({ id, value: { is: id } })).join('\n')
  expect((await run(['import', 'farms', '-', '--format', 'jsonl'], { stdin: lines })).code).toBe(0)
  expect(await atoll('ls', 'farms', '--json')).toBe(lines)
  expect(await atoll('ls', 'farms', '--from', 'b', '--to', 'd')).toBe('b  {"is":"b"}\nc  {"is":"c"}')
  expect(await atoll('ls', 'farms', '--reverse', '--limit', '1', '--json')).toBe('{"id":"d","value":{"is":"d"}}')
})

it('remembers to stay offline', async () => {
  await atoll('init')
  await atoll('offline')
  expect(JSON.parse(await atoll('status', '--json'))).toMatchObject({ state: 'offline' })
  await atoll('online')
  expect(JSON.parse(await atoll('status', '--json'))).toMatchObject({ state: 'alone' })
})

it('keeps __proto__ as a member and as an id', async () => {
  await atoll('init')
  await atoll('put', 'farms', '__proto__', '{"__proto__":{"admin":true}}')
  expect(await atoll('get', 'farms', '__proto__')).toBe('{"__proto__":{"admin":true}}')
})
