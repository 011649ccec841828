import { beforeEach, expect, it } from 'vitest'
import { commandLine, temporaryDirectory, type CommandLine } from './command-line.ts'

let run: CommandLine['run']
beforeEach(async () => {
  const { atoll, ...others } = commandLine(temporaryDirectory())
  for (const args of [['init'], ['put', 'farms', 'north', '1'], ['insert', 'readings', '1']]) await atoll(...args)
  ;({ run } = others)
})

/** @param answer what a person at a terminal types; without it there is none */
const typed = (answer: string | undefined): { stdin?: string; isTerminal?: boolean } =>
  answer === undefined ? {} : { stdin: answer, isTerminal: true }

it.each([
  ['nobody can be asked', undefined],
  ['the answer is no', 'n\n'],
  ['the answer is none', '\n'],
  ['the terminal is closed', ''],
])('drops nothing when %s', async (_what, answer) => {
  const { code, stdout, stderr } = await run(['drop', 'farms'], typed(answer))
  expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
  expect(stderr).toContain('--yes')
  expect((await run(['count', 'farms'])).stdout).toBe('1\n')
})

it.each([
  ['a person says so', ['drop', 'farms'], 'y\n', 'farms: 1 record deleted'],
  ['it is told not to ask', ['drop', 'farms', '--yes'], undefined, 'farms: 1 record deleted'],
  ['it is a List', ['drop', 'readings', '--yes'], undefined, 'readings: 1 record deleted'],
  ['there is nothing', ['drop', 'farms', '--list', '--yes'], undefined, 'farms: 0 records deleted'],
])('drops when %s', async (_what, args, answer, words) => {
  const { code, stdout, stderr } = await run(args, typed(answer))
  expect({ code, stdout }).toEqual({ code: 0, stdout: '' })
  expect(stderr).toContain(words)
  if (answer !== undefined) expect(stderr).toContain('drop farms (Object) with 1 record? [y/N]')
})

it('says as JSON what it did', async () => {
  const { stdout } = await run(['drop', 'readings', '--yes', '--json'])
  expect(JSON.parse(stdout)).toEqual({ schema: 'atoll/dropped/v1', collection: 'readings', kind: 'lists', records: 1 })
  expect((await run(['ls'])).stdout).toBe('farms  Object  1\n')
})
