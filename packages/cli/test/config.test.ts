import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Writable } from 'node:stream'
import { expect, onTestFinished, test } from 'vitest'
import { runCli } from '../src/run-cli.ts'

test('atoll config sets and prints them', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-config-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const file = (name: string, text: string): string => {
    writeFileSync(join(directory, name), text)
    return join(directory, name)
  }
  const atoll = async (...args: string[]): Promise<{ code: number; stdout: string }> => {
    let stdout = ''
    const out = new Writable({
      write: (chunk, _encoding, done) => {
        stdout += String(chunk)
        done()
      },
    })
    const io = {
      stdin: new PassThrough(),
      stdout: out,
      stderr: new PassThrough().resume(),
      env: {},
      onEndSignal: () => () => undefined,
    }
    const code = await runCli(['--data', join(directory, 'data'), ...args], io)
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
