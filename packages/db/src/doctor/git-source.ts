import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { AtollError, invalid } from '@atolldb/core'
import { createRepository, makeDirectoryDurably, removeDurably, systemErrorCode } from '@atolldb/git'
import type { DataDirectory } from '../directory/data-directory.ts'
import { directorySource, type ObjectSource } from './object-source.ts'

/** Where stock git puts what it fetched; in the data directory, so that it is on the same disk. */
const FROM_GIT = 'from-git'
/** Transports that run no command of the address's choosing. */
const PROTOCOLS = 'file:git:http:https:ssh'
const MAX_SAID_CHARACTERS = 2_000

/** Is it an address for git, and no path? `scheme://…`, or `host:path` as ssh has it. */
export function isGitAddress(from: string): boolean {
  return /^[a-z][a-z0-9+.-]*:\/\//i.test(from) || /^(?:[\w.-]+@)?[\w.-]{2,}:(?!\/\/)/.test(from)
}

/**
 * Whatever stock git can fetch: it is spawned for that and asks nobody for a password; each object that is taken is
 * hashed by us again. It needs the room for a second copy until it is closed.
 *
 * @throws UNAVAILABLE (git is not there, or cannot fetch from it: it says why), INVALID (an address that is a flag, or of another
 * protocol), STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function gitSource(directory: DataDirectory, address: string): Promise<ObjectSource> {
  if (address.startsWith('-')) throw invalid('from', 'an address of a git repository does not begin with "-"')
  const scratch = join(directory.path, FROM_GIT)
  await removeDurably(scratch)
  await makeDirectoryDurably(scratch)
  await createRepository(scratch)
  try {
    // Refs of the other side by names that are none of ours; a pack, whatever their number, since that is what we read best.
    const settings = ['-c', 'fetch.unpackLimit=1', '-c', 'gc.auto=0']
    const fetch = ['fetch', '--quiet', '--no-tags', '--no-write-fetch-head', '--', address, '+refs/*:refs/from/*']
    await runGit(address, ['--git-dir', scratch, ...settings, ...fetch])
    const source = await directorySource(scratch)
    return {
      read: id => source.read(id),
      async close() {
        await source.close()
        await removeDurably(scratch)
      },
    }
  } catch (error) {
    await removeDurably(scratch)
    throw error
  }
}

async function runGit(address: string, args: readonly string[]): Promise<void> {
  const child = spawn('git', args, {
    stdio: ['ignore', 'ignore', 'pipe'],
    env: { ...process.env, GIT_TERMINAL_PROMPT: '0', GIT_ALLOW_PROTOCOL: PROTOCOLS },
  })
  let said = ''
  child.stderr.setEncoding('utf8')
  child.stderr.on('data', (text: string) => (said = (said + text).slice(-MAX_SAID_CHARACTERS)))
  try {
    const [code] = (await once(child, 'close')) as [number | null]
    if (code === 0) return
  } catch (cause) {
    const isThere = systemErrorCode(cause) !== 'ENOENT'
    throw cannotFetch(address, isThere ? String(cause) : 'there is no git on this machine', cause)
  }
  throw cannotFetch(address, said.trim())
}

function cannotFetch(address: string, reason: string, cause?: unknown): AtollError<'UNAVAILABLE'> {
  // A password in it is nobody's to read.
  const what = address.replace(/\/\/[^/@]*@/, '//')
  return new AtollError('UNAVAILABLE', `cannot fetch from ${what}: ${reason}`, { what, reason }, { cause })
}
