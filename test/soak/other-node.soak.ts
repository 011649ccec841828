import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, test } from 'vitest'

/*
 * What decides a state must be the same on every version of Node that is supported: the vectors of `main` and of scripts, and the
 * merge against the oracle, run by another Node than this one. It comes as a package, into a directory of its own.
 */

const majors = [20, 22, 24].filter(major => major !== Number(process.versions.node.split('.')[0]))
const vectors = ['test/main-ids.test.ts', 'packages/db/test/rules/script-outcomes.test.ts', 'packages/core/test/merge']
const top = fileURLToPath(new URL('../..', import.meta.url))
const directory = mkdtempSync(join(tmpdir(), 'atoll-other-node-'))
afterAll(() => rmSync(directory, { recursive: true, force: true }))

/** The path of that Node; undefined where it cannot be had. */
function install(major: number): string | undefined {
  const own = join(directory, String(major))
  const platform = `${process.platform}-${process.arch}`
  try {
    execFileSync('npm', ['install', '--prefix', own, '--no-audit', '--no-fund', `node-${platform}@${major}`], {
      stdio: 'pipe',
    })
    const program = join(own, 'node_modules', `node-${platform}`, 'bin/node')
    execFileSync(program, ['--version'], { stdio: 'pipe' })
    return program
  } catch {
    return undefined
  }
}

describe.each(majors)('Node %i', major => {
  test('gives the ids of main and the outcomes of scripts that this one gives', context => {
    writeFileSync(join(directory, 'package.json'), '{ "private": true }')
    const program = install(major)
    if (program === undefined) return context.skip(`Node ${major} cannot be had as a package here`)
    const vitest = join(top, 'node_modules/vitest/vitest.mjs')
    const run = spawnSync(program, [vitest, 'run', ...vectors], { cwd: top, encoding: 'utf8' })
    expect(run.status, run.stdout + run.stderr).toBe(0)
  })
})
