import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { commandLine, temporaryDirectory } from './command-line.ts'

test('atoll config means the List where there is no Object of that name', async () => {
  const { atoll } = commandLine(temporaryDirectory())
  await atoll('init')
  await atoll('insert', 'readings', '1')
  const list = { kind: 'lists', settings: { schema: { type: 'number' } } }
  expect(
    JSON.parse(await atoll('--json', 'config', 'collection', 'readings', '--schema', '{"type":"number"}')),
  ).toMatchObject(list)
  expect(JSON.parse(await atoll('--json', 'config', 'collection', 'readings'))).toMatchObject(list)
})

test('atoll config says which collections still have the policy of a script that it deletes', async () => {
  const { atoll, run } = commandLine(temporaryDirectory())
  await atoll('init')
  for (const name of ['used', 'unused'])
    expect((await run(['config', 'script', name, '-'], { stdin: '() => 1' })).code).toBe(0)
  for (const name of ['farms', 'barns']) await atoll('config', 'collection', name, '--policy', 'script:used')
  await atoll('config', 'collection', 'notes', '--policy', 'keep')
  expect((await run(['config', 'script', 'unused', '--delete'])).stderr).toBe('deleted unused\n')
  const { code, stderr } = await run(['config', 'script', 'used', '--delete'])
  expect(code).toBe(0)
  expect(stderr.match(/^\w+ still has the policy script:used/gm)).toEqual([
    'barns still has the policy script:used',
    'farms still has the policy script:used',
  ])
})

test('atoll config sets and prints them', async () => {
  const directory = temporaryDirectory()
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const { run } = commandLine(join(directory, 'data'))
  const atoll = async (...args: string[]): Promise<{ code: number; stdout: string }> => {
    const { code, stdout } = await run(args)
    return { code, stdout }
  }
  expect((await atoll('init')).code).toBe(0)
  expect((await atoll('config', 'script', 'first', file('first.js', '(base, versions) => versions[0]'))).code).toBe(0)
  expect(await atoll('config', 'script')).toEqual({ code: 0, stdout: 'first\n' })
  const schema = file('schema.json', '{"type":"object"}')
  const set = await atoll('--json', 'config', 'collection', 'farms', '--policy', 'script:first', '--schema', schema)
  const settings = { policy: 'script:first', schema: { type: 'object' } }
  expect(JSON.parse(set.stdout)).toEqual({
    schema: 'atoll/settings/v1',
    collection: 'farms',
    kind: 'objects',
    settings,
  })
  expect((await atoll('put', 'farms', 'north', '7')).code).toBe(2)
  const unset = await atoll('config', 'collection', 'farms', '--unset', 'policy', 'schema')
  expect(JSON.parse(unset.stdout)).toEqual({})
  expect((await atoll('put', 'farms', 'north', '7')).code).toBe(0)
  expect((await atoll('config', 'collection', 'farms', '--policy', 'newest')).code).toBe(2)
})
