import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runCli } from '../src/run-cli.ts'

/** What the command refuses by itself; a conflict between two running nodes is settled by `docs/tutorial-conflict.md`. */

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-cli-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function atoll(...args: string[]): Promise<{ code: number; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof texts): PassThrough =>
    new PassThrough().on('data', (chunk: Buffer) => (texts[name] += chunk.toString()))
  const stdin = new PassThrough()
  stdin.end()
  const io = { stdin, stdout: sink('stdout'), stderr: sink('stderr'), env: { ATOLL_DATA: directory } }
  const code = await runCli(args, { ...io, onEndSignal: () => () => undefined })
  return { code, ...texts }
}

it.each([
  ['no outcome', []],
  ['two outcomes', ['--ours', '--delete']],
  ['a value that is no JSON', ['--value', '{crop}']],
  ['an outcome that is none', ['--mine']],
])('refuses to resolve by %s', async (_what, args) => {
  const { code, stdout } = await atoll('conflicts', 'resolve', 'farms', 'north', ...args)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
})

it('tells that there are none, and that a record is in none', async () => {
  expect((await atoll('init')).code).toBe(0)
  expect(await atoll('conflicts')).toEqual({ code: 0, stdout: '', stderr: 'none\n' })
  expect(await atoll('conflicts', '--json')).toEqual({ code: 0, stdout: '', stderr: '' })
  expect((await atoll('conflicts', 'show', 'farms', 'north')).code).toBe(3)
  expect((await atoll('conflicts', 'resolve', 'farms', 'north', '--ours')).code).toBe(3)
  const { code } = await atoll('conflicts', 'resolve', 'farms', 'north', '--ours', '--if-version', 'f'.repeat(40))
  expect(code).toBe(4)
})
