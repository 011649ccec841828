import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, onTestFinished } from 'vitest'

const bin = fileURLToPath(new URL('../packages/cli/bin/atoll.js', import.meta.url))

/**
 * Runs what a page of `docs/` tells people to run (its `sh` blocks), in one shell, an empty directory and the page's order, and
 * compares what that prints with what stands there (its `text` blocks). Ids of commits and times are others each time.
 *
 * @param adapt changes the commands, where something of the machine's must be another here
 */
export async function runPage(page: string, adapt = (commands: string): string => commands): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'atoll-page-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  const text = await readFile(fileURLToPath(new URL(`../docs/${page}`, import.meta.url)), 'utf8')
  const blocks = [...text.matchAll(/^```(sh|text)\n(.*?)^```$/gms)].map(([, kind, content = '']) => ({ kind, content }))
  const commands = blocks.filter(({ kind }) => kind === 'sh').map(({ content }) => content)
  const expected = blocks.filter(({ kind }) => kind === 'text').map(({ content }) => content)
  expect(commands.length).toBeGreaterThan(4)
  const [programs, home] = [join(directory, 'bin'), join(directory, 'home')]
  await Promise.all([mkdir(programs), mkdir(home)])
  await symlink(bin, join(programs, 'atoll'))
  // Whatever fails, no node outlives the shell.
  const script = `set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n${commands.join('\n')}`
  const { stdout } = await promisify(execFile)('bash', ['-c', adapt(script)], {
    cwd: home,
    env: { ...process.env, PATH: `${programs}:${process.env['PATH']}`, NO_COLOR: '1' },
  })
  expect(normalised(stdout)).toBe(normalised(expected.join('')))
}

/** What is not the same twice, made so; blanks too, since columns align to it. */
function normalised(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{40}|\b[0-9a-f]{10}\b/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '<time>')
    .replaceAll(/ +/g, ' ')
}
