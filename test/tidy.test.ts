import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterEach, describe, expect, it } from 'vitest'
import { check, type Problem } from '../scripts/tidy/check.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))

describe('this repository', () => {
  it('is tidy', () => {
    expect(check(root).problems).toEqual([])
  })
})

/** A small repository that breaks no rule. */
const tidyFiles = {
  'package.json': JSON.stringify({ devDependencies: { vitest: '4.1.12' } }),
  'README.md': '# Atoll\n\n## Getting started\n\n[errors](docs/errors.md#missing) and [up](#getting-started)\n',
  'docs/errors.md': '# Errors\n\n### `MISSING`\n',
  'docs/decisions/0001-git.md': '# Git\n',
  'packages/core/package.json': JSON.stringify({ name: '@atolldb/core', version: '0.1.0' }),
  'packages/core/tsconfig.json': '{}',
  'packages/core/src/errors.ts': 'export interface ErrorDataByCode {\n  MISSING: { what: string }\n}\n',
  'packages/git/package.json': JSON.stringify({
    name: '@atolldb/git',
    version: '0.1.0',
    dependencies: { '@atolldb/core': '0.1.0', cborg: '6.1.5' },
  }),
  'packages/git/tsconfig.json': JSON.stringify({ references: [{ path: '../core' }] }),
  'packages/git/src/index.ts': "import { isAtollError } from '@atolldb/core'\nexport { isAtollError }\n",
  'packages/git/test/index.test.ts': "import { it } from 'vitest'\nimport '../src/index.ts'\nit('works', () => {})\n",
  'packages/glob/package.json': JSON.stringify({ name: '@atolldb/glob', version: '0.1.0' }),
  'packages/testkit/package.json': JSON.stringify({ name: '@atolldb/testkit', version: '0.1.0' }),
  'packages/client/package.json': JSON.stringify({ name: '@atolldb/client', version: '0.1.0' }),
  'packages/client/tsconfig.json': JSON.stringify({ references: [{ path: '../core' }] }),
  'packages/client/src/index.ts': "import type { ErrorCode } from '@atolldb/core'\nexport type { ErrorCode }\n",
}

const directories: string[] = []

afterEach(() => {
  for (const directory of directories.splice(0)) rmSync(directory, { recursive: true })
})

/** The tidy repository with some files added, replaced or (undefined) left out. */
function problemsOf(changes: Record<string, string | undefined>): Problem[] {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-tidy-'))
  directories.push(directory)
  for (const [path, text] of Object.entries({ ...tidyFiles, ...changes })) {
    if (text === undefined) continue
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    writeFileSync(join(directory, path), text)
  }
  return check(directory).problems
}

function manifest(fields: object): string {
  return JSON.stringify({ name: '@atolldb/git', version: '0.1.0', ...fields })
}

function lock(tool: object): string {
  return JSON.stringify({ packages: { '': {}, 'node_modules/tool': { version: '1.0.0', ...tool } } })
}

interface Breach {
  readonly name: string
  readonly rule: string
  readonly file: string
  readonly message: RegExp
  readonly changes: Record<string, string | undefined>
}

function breach(name: string, rule: string, message: RegExp, file: string, text: string | undefined): Breach {
  return { name, rule, file, message, changes: { [file]: text } }
}

const gitSource = 'packages/git/src/pack.ts'
const gitTest = 'packages/git/test/pack.test.ts'
const coreSource = 'packages/core/src/clock.ts'

const breaches: Breach[] = [
  breach('an arrow against the table', 'arrows', /git may not import glob/, gitSource, "import '@atolldb/glob'\n"),
  breach('shipped code on the testkit', 'arrows', /may not import testkit/, gitSource, "import '@atolldb/testkit'\n"),
  breach(
    'a dependency against the table',
    'arrows',
    /may not depend on glob/,
    'packages/git/package.json',
    manifest({ dependencies: { '@atolldb/core': '0.1.0', '@atolldb/glob': '0.1.0' } }),
  ),
  breach('a package that is not declared', 'arrows', /lodash is not declared/, gitSource, "import 'lodash/get'\n"),
  breach(
    'a development tool in shipped code',
    'arrows',
    /vitest is not declared/,
    gitSource,
    "export * from 'vitest'\n",
  ),
  breach('a dynamic import', 'arrows', /lodash is not declared/, gitSource, "await import('lodash')\n"),
  breach(
    'a value import in the client',
    'arrows',
    /client may not import core/,
    'packages/client/src/door.ts',
    "import { assert } from '@atolldb/core'\nassert(1)\n",
  ),
  breach(
    'a relative import out of the package',
    'arrows',
    /leaves its package/,
    gitSource,
    "import '../../core/src/errors.ts'\n",
  ),
  breach(
    'a test that reaches into another package',
    'arrows',
    /leaves its package/,
    gitTest,
    "import '../../core/src/errors.ts'\n",
  ),
  breach('a test that crosses packages', 'arrows', /stands in test\//, gitTest, "import '@atolldb/client'\n"),
  breach('shipped code on a test', 'arrows', /imports a test/, gitSource, "import '../test/index.test.ts'\n"),
  breach('a built-in without node:', 'arrows', /write node:fs/, gitSource, "import 'fs'\n"),
  breach(
    'a package outside the table',
    'arrows',
    /not in the table/,
    'packages/extra/package.json',
    '{"name":"extra"}',
  ),

  breach('node: in core', 'purity', /import node:fs/, coreSource, "import 'node:fs'\n"),
  breach('Buffer in core', 'purity', /Buffer/, coreSource, 'export const a = Buffer.alloc(1)\n'),
  breach('Buffer as a type in core', 'purity', /Buffer/, coreSource, 'export type A = Buffer\n'),
  breach('process in core', 'purity', /process/, coreSource, 'export const a = process.pid\n'),
  breach('the clock in core', 'purity', /Date\.now/, coreSource, 'export const a = Date.now()\n'),
  breach('the date of now in core', 'purity', /new Date/, coreSource, 'export const a = new Date()\n'),
  breach('dice in core', 'purity', /Math\.random/, coreSource, 'export const a = Math.random()\n'),
  breach('performance in core', 'purity', /performance/, coreSource, 'export const a = performance.now()\n'),
  breach('a timer in core', 'purity', /setTimeout/, coreSource, 'setTimeout(() => {}, 1)\n'),

  breach('a long file', 'sizes', /501 lines/, gitSource, '// a line\n'.repeat(501)),
  breach('a long test', 'sizes', /801 lines/, gitTest, '// a line\n'.repeat(801)),

  breach('a drawer', 'names', /"utils"/, 'packages/git/src/pack-utils.ts', ''),
  breach('a directory of drawers', 'names', /"helpers"/, 'packages/git/src/helpers/pack.ts', ''),
  breach('a drawer by its last word', 'names', /"common"/, 'packages/git/src/pack-common.ts', ''),
  breach('camel case', 'names', /kebab-case/, 'packages/git/src/packWriter.ts', ''),

  breach('a note to oneself', 'leftovers', /TODO/, gitSource, '// TODO later\n'),
  breach('a note in a document', 'leftovers', /FIXME/, 'docs/glossary.md', 'FIXME\n'),
  breach('console in a library', 'leftovers', /console/, gitSource, 'console.log(1)\n'),
  breach('debugger', 'leftovers', /debugger/, gitSource, 'debugger\n'),
  breach('.only', 'leftovers', /\.only/, gitTest, "import { it } from 'vitest'\nit.only('a', () => {})\n"),
  breach(
    '.skip without a reason',
    'leftovers',
    /\.skip/,
    gitTest,
    "import { it } from 'vitest'\nit.skip('a', () => {})\n",
  ),
  breach('a default export', 'leftovers', /default/, gitSource, 'export default 1\n'),
  breach('a default function', 'leftovers', /default/, gitSource, 'export default function a() {}\n'),
  breach('a renamed default', 'leftovers', /default/, gitSource, 'const a = 1\nexport { a as default }\n'),

  breach(
    'a version range',
    'manifests',
    /cborg \^6\.1\.5/,
    'packages/git/package.json',
    manifest({ dependencies: { '@atolldb/core': '0.1.0', cborg: '^6.1.5' } }),
  ),
  breach(
    'a range at the root',
    'manifests',
    /pin the exact version/,
    'package.json',
    '{"devDependencies":{"vitest":"latest"}}',
  ),
  breach(
    'another version of ours',
    'manifests',
    /ours is 0\.1\.0/,
    'packages/git/package.json',
    manifest({ dependencies: { '@atolldb/core': '0.2.0' } }),
  ),
  breach('a missing project reference', 'manifests', /imports core without/, 'packages/git/tsconfig.json', '{}'),

  breach(
    'a lock file without the binaries of other platforms',
    'lock-file',
    /wants tool-darwin, which is not locked/,
    'package-lock.json',
    lock({ optionalDependencies: { 'tool-darwin': '1.0.0' } }),
  ),
  breach(
    'a lock file that binds to a registry',
    'lock-file',
    /bound to a registry/,
    'package-lock.json',
    lock({ resolved: 'https://registry.example/tool.tgz' }),
  ),

  breach('no document of errors', 'documents', /missing/, 'docs/errors.md', undefined),
  breach('a code without heading', 'documents', /no heading for MISSING/, 'docs/errors.md', '# Errors\n\n## Missing\n'),
  breach('a heading without code', 'documents', /GONE is no error code/, 'docs/errors.md', '## MISSING\n## GONE\n'),
  breach('a dead link', 'documents', /no such file/, 'CHANGELOG.md', '[gone](docs/gone.md)\n'),
  breach('a dead anchor', 'documents', /no such heading/, 'CHANGELOG.md', '[gone](README.md#gone)\n'),
  breach('a gap in the decisions', 'documents', /expected number 0002/, 'docs/decisions/0003-view.md', ''),
  breach('a number used twice', 'documents', /expected number 0002/, 'docs/decisions/0001-view.md', ''),
  breach('a decision without number', 'documents', /NNNN/, 'docs/decisions/view.md', ''),
]

describe('tidy', () => {
  it('finds nothing in a tidy repository', () => {
    expect(problemsOf({})).toEqual([])
  })

  it.each(breaches)('refuses $name', ({ rule, message, file, changes }) => {
    const problems = problemsOf(changes)
    expect(problems).toContainEqual(expect.objectContaining({ rule, file, message: expect.stringMatching(message) }))
  })

  it('refuses an arrow that is not declared', () => {
    expect(problemsOf({ 'packages/git/package.json': manifest({}) })).toEqual([
      expect.objectContaining({ rule: 'arrows', file: 'packages/git/src/index.ts' }),
    ])
  })

  it('refuses an import cycle, and says which way it goes', () => {
    const problems = problemsOf({
      'packages/git/src/a.ts': "import { b } from './b.ts'\nexport const a = b\n",
      'packages/git/src/b.ts': "export * from './c.ts'\nexport const b = 1\n",
      'packages/git/src/c.ts': "import { a } from './a.ts'\nexport const c = a\n",
    })
    expect(problems.map(problem => problem.message)).toEqual([
      'import cycle: packages/git/src/a.ts → packages/git/src/b.ts → packages/git/src/c.ts → packages/git/src/a.ts',
    ])
  })

  it.each([
    [
      'types that name each other',
      {
        'packages/git/src/a.ts': "import type { B } from './b.ts'\nexport type A = B\n",
        'packages/git/src/b.ts': "import type { A } from './a.ts'\nexport type B = A\n",
      },
    ],
    [
      'members called like globals',
      { [coreSource]: 'export const a = (x: { process: number; fetch(): void }) => x.process\n' },
    ],
    ['a date from a number', { [coreSource]: 'export const a = new Date(0)\n' }],
    ['console in a comment', { [gitSource]: '/** console.log(1) */\nexport const a = "console.log"\n' }],
    [
      'a skipped test with a reason',
      { [gitTest]: "import { it } from 'vitest'\n// Skipped: needs a disk that fails\nit.skip('a', () => {})\n" },
    ],
    ['the testkit in tests', { [gitTest]: "import '@atolldb/testkit'\n" }],
    ['links in code', { 'CHANGELOG.md': '```\n[gone](gone.md)\n```\n`[gone](gone.md)`\n' }],
    ['a concept that begins like a drawer', { 'packages/git/src/common-past.ts': '' }],
    ['what is not ours', { 'node_modules/some/utils.js': '// TODO\n', 'packages/git/dist/helpers.js': '// TODO\n' }],
  ])('allows %s', (_name, changes) => {
    expect(problemsOf(changes)).toEqual([])
  })
})
