import { beforeEach, expect, it } from 'vitest'
import { commandLine, temporaryDirectory, type Result } from './command-line.ts'

/** What the command refuses by itself; a conflict between two running nodes is settled by `docs/tutorial-conflict.md`. */

let atoll: (...args: string[]) => Promise<Result>
beforeEach(() => {
  const { run } = commandLine(temporaryDirectory())
  atoll = (...args) => run(args)
})

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
