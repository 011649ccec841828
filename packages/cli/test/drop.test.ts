import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough } from 'node:stream'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { runCli } from '../src/run-cli.ts'

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-cli-'))
  for (const args of [['init'], ['put', 'farms', 'north', '1'], ['insert', 'readings', '1']])
    expect((await atoll(args)).code).toBe(0)
})
afterEach(() => rm(directory, { recursive: true, force: true }))

/** @param answer what a person at a terminal types; without it there is none */
async function atoll(args: string[], answer?: string): Promise<{ code: number; stdout: string; stderr: string }> {
  const texts = { stdout: '', stderr: '' }
  const sink = (name: keyof typeof texts): PassThrough =>
    new PassThrough().on('data', (chunk: Buffer) => (texts[name] += chunk.toString()))
  const stdin = Object.assign(new PassThrough(), { isTTY: answer !== undefined })
  stdin.end(answer)
  const io = { stdin, stdout: sink('stdout'), stderr: sink('stderr'), env: { ATOLL_DATA: directory } }
  const code = await runCli(args, { ...io, onEndSignal: () => () => undefined })
  return { code, ...texts }
}

it.each([
  ['nobody can be asked', undefined],
  ['the answer is no', 'n\n'],
  ['the answer is none', '\n'],
  ['the terminal is closed', ''],
])('drops nothing when %s', async (_what, answer) => {
  const { code, stdout, stderr } = await atoll(['drop', 'farms'], answer)
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('--yes')
  expect((await atoll(['count', 'farms'])).stdout).toBe('1\n')
})

it.each([
  ['a person says so', ['drop', 'farms'], 'y\n', 'farms: 1 record deleted'],
  ['it is told not to ask', ['drop', 'farms', '--yes'], undefined, 'farms: 1 record deleted'],
  ['it is a List', ['drop', 'readings', '--yes'], undefined, 'readings: 1 record deleted'],
  ['there is nothing', ['drop', 'farms', '--list', '--yes'], undefined, 'farms: 0 records deleted'],
])('drops when %s', async (_what, args, answer, words) => {
  const { code, stdout, stderr } = await atoll(args, answer)
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(stderr).toContain(words)
  if (answer !== undefined) expect(stderr).toContain('drop farms (Object) with 1 record? [y/N]')
})

it('says as JSON what it did', async () => {
  const { stdout } = await atoll(['drop', 'readings', '--yes', '--json'])
  expect(JSON.parse(stdout)).toEqual({ schema: 'atoll/dropped/v1', collection: 'readings', kind: 'lists', records: 1 })
  expect((await atoll(['ls'])).stdout).toBe('farms  Object  1\n')
})
