import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open } from 'atolldb'
import { expect } from 'vitest'
import { fsckProblems } from './strict-fsck.ts'

/**
 * What sealing and compaction do to a disk, as a trace of the writer tells; neither calls `rmdir` or `link`. `openat` is left out: strace counts
 * those by which Node loads its modules in with ours, and a file that was created and is empty is what a kill at its first `write` leaves.
 */
export const systemCalls = [
  'fsync',
  'fdatasync',
  'pwrite64',
  'write',
  'rename',
  'unlink',
  'ftruncate',
  'mkdir',
  'utimensat',
] as const
export type SystemCall = (typeof systemCalls)[number]

const writer = fileURLToPath(new URL('./killed-writer.mjs', import.meta.url))
const BASE_COMMITS = 6

/** May this process trace another? */
export const canTrace =
  spawnSync('strace', ['-o', '/dev/null', '-e', 'inject=getpid:signal=KILL:when=9', 'true'], { stdio: 'ignore' })
    .status === 0
export const traceNote = canTrace ? '' : ' (skipped: it needs strace)'

/** A directory with a node of some commits, from which each run begins. */
export async function createBase(): Promise<Base> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-kills-'))
  const db = await open(join(directory, 'base'))
  for (let i = 0; i < BASE_COMMITS; i++) {
    await db.object('farms').put(`base ${i}`, `of base ${i}`)
    await db.flush()
  }
  await db.close()
  return { directory, remove: () => rmSync(directory, { recursive: true, force: true }) }
}

export interface Base {
  readonly directory: string
  remove(): void
}

/**
 * Runs a writer that seals and compacts, and kills it as one of its threads begins its n-th system call of that name. Then git is
 * content, and a node opens on what is left with all that was acknowledged. False when the writer came to its end.
 */
export async function killAtCall({ directory }: Base, call: SystemCall, nth: number): Promise<boolean> {
  const data = join(directory, 'data')
  const log = join(directory, 'log')
  rmSync(data, { recursive: true, force: true })
  cpSync(join(directory, 'base'), data, { recursive: true })
  writeFileSync(log, '')
  const inject = ['-f', '-o', '/dev/null', '-e', `trace=${call}`, '-e', `inject=${call}:signal=KILL:when=${nth}`]
  // strace counts by thread: with one in the pool, the calls to the disk are one row.
  const env = { ...process.env, UV_THREADPOOL_SIZE: '1' }
  const { status, signal, stderr } = spawnSync('strace', [...inject, process.execPath, writer, data, log], {
    env,
    encoding: 'utf8',
  })
  const lines = readFileSync(log, 'utf8').split('\n').slice(0, -1)
  const isDone = lines.at(-1) === 'done'
  if (!isDone) expect({ status, signal, stderr }).toMatchObject({ stderr: '' })
  await verify(
    data,
    lines.filter(line => line !== 'done'),
  )
  return !isDone
}

async function verify(data: string, acknowledged: readonly string[]): Promise<void> {
  expect(fsckProblems(data)).toEqual([])
  const db = await open(data, { lockWaitMs: 5_000 })
  const ids = [...Array.from({ length: BASE_COMMITS }, (_, i) => `base ${i}`), ...acknowledged]
  expect(await db.object('farms').getMany(ids)).toEqual(ids.map(id => `of ${id}`))
  await db.close()
  expect(fsckProblems(data)).toEqual([])
}
