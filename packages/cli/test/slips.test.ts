import { join } from 'node:path'
import { beforeAll, afterAll, describe, expect, it } from 'vitest'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { errorToFailure, failureHint } from '../src/failures.ts'
import { AtollError } from '@atolldb/core/errors'
import { commandLine, type CommandLine } from './command-line.ts'

/** What a user is told who mistook a name, and what to do next. */
describe('a slip', () => {
  let directory: string
  let shared: CommandLine
  let first: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-slips-'))
    shared = commandLine(directory)
    await shared.atoll('init')
    await shared.atoll('put', 'farms', 'north', '{"crop":"rye"}')
    await shared.atoll('insert', 'readings', '1')
    first = await shared.atoll('flush')
    await shared.atoll('refs', 'spring', first)
    await shared.atoll('put', 'barns', 'red', '1')
    await shared.atoll('flush')
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it.each([
    [['export', 'farm'], 3, 'there is no collection farm'],
    [['export', 'farms', '--list'], 3, 'there is no collection farms'],
    [['export', 'barns', '--at', 'spring'], 3, 'there is no collection barns'],
    [['export', 'farm', '--format', 'csv'], 3, 'atoll ls'],
    [['log', 'farm'], 3, 'there is no collection farm'],
    [['log', 'farms', 'nowhere'], 3, 'no commit has farms/nowhere'],
    [['log', 'readings', 'nowhere'], 2, 'atoll ls'],
    [['watch', 'farm', '--no-follow'], 0, 'there is no collection farm'],
    [['watch', 'farm', '--no-follow', '--list'], 0, 'there is no collection farm'],
    [['log', 'barns', '--from', 'spring'], 0, 'no commit there has it'],
    [['conflicts', 'bogus'], 2, 'show <collection> <id>'],
    [['conflicts', 'farms', 'north'], 2, 'resolve <collection> <id>'],
    [['conflicts', 'list'], 0, 'none'],
    [['at', 'main'], 2, '--at <commit>'],
    [['at', 'main', '--list'], 2, '--at <commit>'],
    [['diff', 'main', 'main~1'], 2, 'a moment like @{2 hours ago}'],
    [['show', '1a'], 2, 'first 4 digits'],
    [['show', 'autumn'], 3, 'no commit "autumn"'],
    [['refs', '--delete', 'spring'], 2, '--previous: is missing'],
    [['refs', 'spring', 'main'], 4, 'the ref spring names'],
    [['refs', 'spring/early', 'main'], 4, 'there cannot be a ref spring/early'],
    [['get', 'readings', 'nowhere'], 2, 'atoll ls'],
    [['conflicts', 'show', 'farms', 'north', '--list'], 2, 'a List gives its records their ids'],
    [['config', 'collection', 'readings', '--policy', 'latest'], 2, 'a List always merges'],
    [['config', 'collection', 'farms', '--schema', '{"type":'], 2, 'INVALID'],
  ])('%j exits %i and says %j', async (args, code, words) => {
    const result = await shared.run(args)
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' })
    expect(result.stderr).toContain(words)
    expect(result.stderr).not.toContain('refs/atoll')
  })

  it('of a ref that has moved is told by --previous', async () => {
    expect((await shared.run(['refs', 'spring', 'main'])).stderr).toContain(`--previous ${first}`)
    await shared.atoll('refs', 'spring', first, '--previous', first)
  })
})

it('settles by name what a collection keeps, and looks again at a conflict that is another one', () => {
  const hint = (data: object): string | undefined =>
    failureHint(errorToFailure(new AtollError('CONFLICT', '', { what: "farms/a/b's", ...data }))!)
  const words = String.raw`farms 'a/b'\''s'`
  expect(hint({ subject: 'kept-conflict' })).toContain(`atoll conflicts resolve ${words}`)
  expect(hint({ subject: 'conflict', expected: 'x' })).toContain(`atoll conflicts show ${words}`)
  expect(hint({ expected: 'x' })).toBe('read it again, then retry with the new version')
})
