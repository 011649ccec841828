import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { configProblem, parseConfig, REPOSITORY_CONFIG } from '../src/repository/config.ts'

let directory: string
beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'atoll-config-'))
  execFileSync('git', ['init', '-q', '--bare', directory])
})
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** Does stock git work in a repository of that config? */
function gitTakes(config: string | Buffer): boolean {
  writeFileSync(join(directory, 'config'), config)
  const git = (...args: string[]): boolean =>
    spawnSync('git', ['-C', directory, ...args], { stdio: 'ignore', env: { ...process.env, GIT_DIR: directory } })
      .status === 0
  return git('for-each-ref') && git('config', '--type=int', '--default=0', 'gc.auto')
}

test('what Atoll writes has no problem', () => {
  expect(configProblem(REPOSITORY_CONFIG)).toBeUndefined()
  expect(gitTakes(REPOSITORY_CONFIG)).toBe(true)
})

describe('a problem is one of git too, in the same words', () => {
  test.each([
    ['a boolean that is none', ['filemode = true', 'filemode = tzue'], 3, 'core.filemode is "tzue"'],
    ['a number that is none', ['auto = 0', 'auto = O'], 6, 'gc.auto is "O"'],
    ['a version that is none', ['version = 0', 'version = q'], 2, 'core.repositoryformatversion is "q"'],
    ['a section left open', ['[gc]', '[gc'], 5, 'cannot read "[gc"'],
    ['a sign for blank', ['\tbare', '\vbare'], 4, 'cannot read'],
    ['a quote left open', ['= true\n[', '= "true\n['], 4, 'cannot read the value'],
    ['an unknown escape', ['= true\n[', '= t\\rue\n['], 4, 'cannot read the value'],
    ['words instead of an equals sign', ['bare = true', 'bare true'], 4, 'cannot read'],
  ] as const)('%s', (_, [from, to], line, reason) => {
    const config = REPOSITORY_CONFIG.replace(from, to)
    expect(config).not.toBe(REPOSITORY_CONFIG)
    expect(configProblem(config)).toMatchObject({ line, reason: expect.stringContaining(reason) })
    expect(gitTakes(config)).toBe(false)
  })
})

test.each([
  ['bare', ['bare = true', 'bare = false']],
  ['the automatic gc', ['auto = 0', 'auto = 1']],
  ['the section', ['[core]\n', '']],
  ['the version', ['\trepositoryformatversion = 0\n', '']],
] as const)('a value that git takes and that is not ours is a problem: %s', (_, [from, to]) => {
  expect(configProblem(REPOSITORY_CONFIG.replace(from, to))).toBeDefined()
})

test('what users may write is none', () => {
  const config = `\uFEFF# mine
[Core] bare = YES ; really
  repositoryFormatVersion = 0
  editor = "vi \\"-e\\"" -c \\
    quick
[remote "a \\"b\\" c"]
\turl = /else/where#not this\r
  fetch
`
  expect(configProblem(config)).toBeUndefined()
  expect(gitTakes(config)).toBe(true)
  const { valueByName } = parseConfig(config)
  expect(valueByName.get('core.editor')).toEqual({ value: 'vi "-e" -c     quick', line: 4 })
  expect(execFileSync('git', ['-C', directory, 'config', 'core.editor'], { encoding: 'utf8' })).toBe(
    'vi "-e" -c     quick\n',
  )
  expect(valueByName.get('remote.a \\"b\\" c.url')?.value).toBe('/else/where')
  expect(valueByName.get('remote.a \\"b\\" c.fetch')?.value).toBeUndefined()
})

/** Every bit of it, and every length. `ATOLL_EVERY=1` asks git about each of those that we take. */
test('of a damaged config that we take, git takes it too', () => {
  const every = Number(process.env['ATOLL_EVERY'] ?? 24)
  const whole = Buffer.from(REPOSITORY_CONFIG)
  const damaged = Array.from({ length: whole.length * 8 }, (_, bit) => {
    const bytes = Buffer.from(whole)
    bytes[bit >> 3]! ^= 1 << (bit & 7)
    return bytes
  })
  for (let length = 0; length < whole.length; length++) damaged.push(whole.subarray(0, length))
  const taken = damaged.filter(bytes => configProblem(bytes.toString('utf8')) === undefined)
  expect(taken.length).toBeGreaterThan(50)
  const refused = taken.filter((bytes, i) => i % every === 0 && !gitTakes(bytes))
  expect(refused.map(String)).toEqual([])
})
