import { chmod, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { commandLine, temporaryDirectory, type CommandLine } from './command-line.ts'

/** One directory for all of them: none may change it. */
describe('a bad command', () => {
  let directory: string
  let shared: CommandLine
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'atoll-bad-'))
    shared = commandLine(directory)
    for (const args of [['init'], ['put', 'farms', 'north', '{"crop":"rye"}'], ['insert', 'readings', '1']])
      await shared.atoll(...args)
  })
  afterAll(() => rm(directory, { recursive: true, force: true }))

  it.each([
    [['get', 'farms', 'nowhere'], 3, 'MISSING'],
    [['put', 'farms', 'nowhere', '1', '--update'], 3, 'MISSING'],
    [['patch', 'farms', 'nowhere', '{}'], 3, 'MISSING'],
    [['put', 'farms', 'north', '1', '--create'], 4, 'EXISTS'],
    [['put', 'farms', 'north', '1', '--if-version', '0'.repeat(40)], 4, 'CONFLICT'],
    [['put', 'readings', 'north', '1'], 2, 'UNSUPPORTED'],
    [['patch', 'readings', 'north', '{}'], 2, 'UNSUPPORTED'],
    [['insert', 'farms', '1'], 2, 'UNSUPPORTED'],
    [['put', 'Farms', 'north', '1'], 2, 'INVALID'],
    [['put', '.atoll.members', 'north', '1'], 2, 'INVALID'],
    [['put', 'farms', 'x'.repeat(513), '1'], 2, 'TOO_LARGE'],
    [['put', 'farms', 'a', `${'['.repeat(1000)}${']'.repeat(1000)}`], 2, 'INVALID'],
    [['put', 'farms', 'a', '"\\ud800"'], 2, 'INVALID'],
    [['get', 'readings', 'north'], 2, 'INVALID'],
    [['peers'], 5, 'NOT_RUNNING'],
    [['up', '--listen', 'nonsense'], 2, 'INVALID'],
    [['up', '--cluster', 'nonsense'], 2, 'INVALID'],
  ])('%j gives %i %s', async (args, code, word) => {
    const result = await shared.run(args)
    expect(result.stderr).toMatch(new RegExp(`^atoll: .*\\(${word}\\)$`, 'm'))
    expect({ code: result.code, stdout: result.stdout }).toEqual({ code, stdout: '' })
  })

  it('loses nothing', async () => {
    expect(await shared.atoll('ls')).toBe('farms     Object  1\nreadings  List    1')
    expect(await shared.atoll('get', 'farms', 'north')).toBe('{"crop":"rye"}')
  })
})

describe('a bad directory', () => {
  it('is told what is wrong with it', async () => {
    const parent = temporaryDirectory()
    const file = join(parent, 'file')
    await writeFile(file, '')
    for (const command of ['init', 'up', 'status']) {
      const { code, stderr } = await commandLine(file).run([command])
      expect([code, stderr]).toEqual([1, expect.stringContaining('(NOT_ACCESSIBLE)')])
    }
    const data = join(parent, 'a')
    const { atoll, run } = commandLine(data)
    await atoll('init')
    await writeFile(join(data, 'format'), '{"format":999}')
    expect((await run(['status'])).stderr).toContain('(NEWER_FORMAT)')
  })

  // Skipped: root may write everywhere, so there is no such thing as a directory without permission.
  it.skipIf(process.getuid?.() === 0)('is told when there is no permission', async () => {
    const data = join(temporaryDirectory(), 'a')
    await mkdir(data)
    await chmod(data, 0)
    expect((await commandLine(data).run(['init'])).stderr).toContain('(NOT_ACCESSIBLE)')
    await chmod(data, 0o700)
  })
})
