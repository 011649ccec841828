import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeEach, describe, expect, it } from 'vitest'
import { parseDuration, parseWhole } from '../src/durations.ts'
import { codeToExitCode } from '../src/exit-codes.ts'
import { shellWord } from '../src/failures.ts'
import { printable, printableId, tableLines } from '../src/output.ts'
import { parseHttpAddress, readUpSettings } from '../src/settings.ts'
import { commandLine, temporaryDirectory, type Result } from './command-line.ts'

let directory: string
let atoll: (...args: string[]) => Promise<Result>
beforeEach(() => {
  directory = temporaryDirectory()
  const { run } = commandLine(directory)
  atoll = (...args) => run(args)
})

describe('the command line', () => {
  it.each([
    ['no command', []],
    ['an unknown command', ['frobnicate']],
    ['an unknown option', ['get', 'farms', 'north', '--frobnicate']],
    ['too few arguments', ['get', 'farms']],
    ['too many arguments', ['get', 'farms', 'north', 'more']],
    ['an option without its value', ['ls', 'farms', '--limit']],
    ['a limit that is none', ['ls', 'farms', '--limit', 'many']],
    ['a duration that is none', ['sync', '--timeout', '10']],
    ['a put of nothing', ['put', 'farms', 'north']],
    ['a put of two things', ['put', 'farms', 'north', '1', '--bytes', 'x']],
    ['a put that contradicts itself', ['put', 'farms', 'north', '1', '--create', '--update']],
    ['a value that is no JSON', ['put', 'farms', 'north', '{crop}']],
    ['a value with doubled keys', ['put', 'farms', 'north', '{"a":1,"a":2}']],
    ['a value from stdin that is empty', ['put', 'farms', 'north', '-']],
    ['a durability that is none', ['up', '--durability', 'maybe']],
    ['an HTTP address that is none', ['up', '--http', '7400']],
    ['a file of no known format', ['import', 'farms', 'farms.xml']],
    ['stdin of no known format', ['import', 'farms', '-']],
    ['a format that is none', ['import', 'farms', '-', '--format', 'xml']],
    ['CSV without an id', ['import', 'farms', '-', '--format', 'csv']],
    ['a List with an id', ['import', 'farms', '-', '--format', 'csv', '--list', '--id', 'x']],
    ['peers to ask for no repair', ['doctor', '--bootstrap', '/ip4/127.0.0.1/tcp/4001']],
    ['two things for the doctor to do', ['doctor', '--repair', '--reclock']],
    ['a choice that is none', ['import', 'farms', '-', '--format', 'csv', '--id', 'x', '--on-duplicate', 'both']],
  ])('refuses %s with 2, and prints no data', async (_what, args) => {
    const { code, stdout, stderr } = await atoll(...args)
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' })
    expect(stderr).not.toBe('')
  })

  it('shows its help and its version', async () => {
    const help = await atoll('--help')
    expect(help.code).toBe(0)
    for (const word of ['init', 'up', 'import', 'Exit codes']) expect(help.stdout).toContain(word)
    expect((await atoll('put', '--help')).stdout).toContain('--json')
    expect((await atoll('version')).stdout).toMatch(/^\d+\.\d+\.\d+\n$/)
    expect(JSON.parse((await atoll('version', '--json')).stdout)).toMatchObject({ schema: 'atoll/version/v1' })
  })

  it('makes no database of a mistyped directory', async () => {
    const { code, stderr } = await atoll('--data', join(directory, 'nowhere'), 'put', 'farms', 'north', '1')
    expect(code).toBe(3)
    expect(stderr).toContain('(MISSING)')
    expect(stderr).toContain('atoll init')
  })

  it.each([['peers'], ['sync'], ['down']])('%s needs a running node', async command => {
    const { code, stderr } = await atoll(command)
    expect(code).toBe(5)
    expect(stderr).toContain('(NOT_RUNNING)')
    expect(stderr).toContain(`atoll --data ${directory} up`)
  })

  it('reads a file that is not there as not found, and a directory as not accessible', async () => {
    expect((await atoll('import', 'farms', join(directory, 'no.csv'), '--id', 'x')).code).toBe(3)
    expect((await atoll('put', 'farms', 'x', '--bytes', directory)).stderr).toContain('(NOT_ACCESSIBLE)')
  })
})

describe('settings', () => {
  it('prefers flags to the environment, and both to the file', async () => {
    const config = { $schema: 'atoll/config/v1', name: 'file', http: '127.0.0.1:1', listen: ['/ip4/127.0.0.1/tcp/1'] }
    await writeFile(join(directory, 'config.json'), JSON.stringify(config))
    const env = { ATOLL_NAME: 'environment', ATOLL_HTTP: '127.0.0.1:2', ATOLL_BOOTSTRAP: '/a, /b', ATOLL_CLUSTER: '' }
    expect(await readUpSettings(directory, { name: 'flag' }, env)).toEqual({
      name: 'flag',
      http: '127.0.0.1:2',
      listen: ['/ip4/127.0.0.1/tcp/1'],
      bootstrap: ['/a', '/b'],
    })
  })

  it.each([
    '{',
    '[]',
    '{"nmae":"x"}',
    '{"name":7}',
    '{"listen":"/ip4/127.0.0.1/tcp/1"}',
    '{"durability":"maybe"}',
    '{"$schema":"atoll/config/v2"}',
    '{"name":"a","name":"b"}',
  ])('refuses the file %s', async text => {
    await writeFile(join(directory, 'config.json'), text)
    await expect(readUpSettings(directory, {}, {})).rejects.toMatchObject({ code: 'INVALID' })
  })

  it('reads addresses of doors', () => {
    expect(parseHttpAddress('127.0.0.1:7400')).toEqual({ host: '127.0.0.1', port: 7400 })
    expect(parseHttpAddress('[::1]:0')).toEqual({ host: '[::1]', port: 0 })
    for (const text of ['', '7400', ':7400', 'localhost', '::1:80', 'localhost:65536', 'localhost:-1'])
      expect(() => parseHttpAddress(text)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })
})

describe('words', () => {
  it('reads durations and whole numbers', () => {
    expect(['500ms', '10s', '2m', '1h'].map(text => parseDuration(text, 'x'))).toEqual([
      500, 10_000, 120_000, 3_600_000,
    ])
    for (const text of ['', '10', 's', '-1s', '1.5s', '1d', '1e3s'])
      expect(() => parseDuration(text, 'x')).toThrow(expect.objectContaining({ code: 'INVALID' }))
    for (const text of ['', '0', '-1', '1.5', 'x']) expect(() => parseWhole(text, 'x')).toThrow('x')
  })

  it('keeps control characters of others off the terminal', () => {
    expect(printable('a\u001b[31mb\u009bc\nd')).toBe(String.raw`a\u001b[31mb\u009bc\u000ad`)
    expect(['north', '', ' a', 'a\nb'].map(printableId)).toEqual(['north', '""', '" a"', String.raw`"a\nb"`])
  })

  it('aligns tables', () => {
    expect(
      tableLines([
        ['a', 'b'],
        ['long', 'c', 'd'],
      ]),
    ).toEqual(['a     b', 'long  c  d'])
  })

  it('quotes for a shell', () => {
    expect([`./a`, `my data`, `it's`].map(shellWord)).toEqual(['./a', `'my data'`, String.raw`'it'\''s'`])
  })

  it('gives each code its exit code', () => {
    const codes = [
      'INVALID',
      'MISSING',
      'EXISTS',
      'CONFLICT',
      'NOT_RUNNING',
      'TIMEOUT',
      'NOT_ALLOWED',
      'LOCKED',
      'INTERNAL',
    ]
    expect(codes.map(codeToExitCode)).toEqual([2, 3, 4, 4, 5, 6, 7, 1, 1])
    expect(codeToExitCode('__proto__')).toBe(1)
  })
})
