import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm, symlink } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterEach, beforeEach, expect, it } from 'vitest'

/**
 * Runs what `docs/tutorial-conflict.md` tells people to run, in one shell and in its order, and compares what it prints with
 * what stands there. Ids of commits and times are others each time; the port is a free one.
 */

const bin = fileURLToPath(new URL('../packages/cli/bin/atoll.js', import.meta.url))
const tutorial = fileURLToPath(new URL('../docs/tutorial-conflict.md', import.meta.url))

let directory: string
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-tutorial-'))
})
afterEach(() => rm(directory, { recursive: true, force: true }))

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  await new Promise(resolve => server.close(resolve))
  return port
}

/** What is not the same twice, made so; blanks too, since columns align to it. */
function normalised(text: string): string {
  return text
    .replaceAll(/[0-9a-f]{40}|\b[0-9a-f]{10}\b/g, '<id>')
    .replaceAll(/\d{4}-\d\d-\d\d \d\d:\d\d:\d\d/g, '<time>')
    .replaceAll(/ +/g, ' ')
}

it('does what it says', async () => {
  const text = await readFile(tutorial, 'utf8')
  const blocks = [...text.matchAll(/^```(sh|text)\n(.*?)^```$/gms)].map(([, kind, content = '']) => ({ kind, content }))
  const commands = blocks.filter(({ kind }) => kind === 'sh').map(({ content }) => content)
  const expected = blocks.filter(({ kind }) => kind === 'text').map(({ content }) => content)
  expect(commands.length).toBeGreaterThan(4)
  await symlink(bin, join(directory, 'atoll'))
  // Whatever fails, no node outlives the shell.
  const script = `set -e\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n${commands.join('\n')}`
  const { stdout } = await promisify(execFile)('bash', ['-c', script.replaceAll('4501', String(await freePort()))], {
    cwd: directory,
    env: { ...process.env, PATH: `${directory}:${process.env['PATH']}`, NO_COLOR: '1' },
  })
  expect(normalised(stdout)).toBe(normalised(expected.join('')))
}, 120_000)
