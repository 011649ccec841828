import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommitId, CommitObject, ObjectId, ObjectWriter } from '@atolldb/core'
import { Repository, type RepositoryOptions } from '@atolldb/git'
import { onTestFinished } from 'vitest'

export { rawEntry, rawPack, sealPack, type RawEntry } from '@atolldb/testkit'

/** A directory that goes when the test ends. */
export function temporaryDirectory(): string {
  const path = mkdtempSync(join(tmpdir(), 'atoll-git-'))
  onTestFinished(() => rmSync(path, { recursive: true, force: true }))
  return path
}

const gitEnvironment = {
  ...process.env,
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_AUTHOR_NAME: 'stock',
  GIT_AUTHOR_EMAIL: 'stock@git',
  GIT_COMMITTER_NAME: 'stock',
  GIT_COMMITTER_EMAIL: 'stock@git',
}

/** Opens a repository that is closed when the test ends. */
export async function openRepository(directory: string, options?: RepositoryOptions): Promise<Repository> {
  const repository = await Repository.open(directory, options)
  onTestFinished(() => repository.close())
  return repository
}

/** Stock git, untouched by the configuration of the machine. */
export function git(directory: string, args: readonly string[], input?: Uint8Array): string {
  return execFileSync('git', ['-C', directory, ...args], {
    encoding: 'utf8',
    maxBuffer: 64 * 1024 * 1024,
    stdio: 'pipe',
    env: gitEnvironment,
    ...(input === undefined ? {} : { input }),
  })
}

/** What `git fsck --strict` complains about; nothing when all is well. */
export function fsck(directory: string): string {
  const { status, stdout, stderr } = spawnSync('git', ['-C', directory, 'fsck', '--strict', '--full'], {
    encoding: 'utf8',
  })
  const lines = `${stdout}${stderr}`.split('\n')
  const complaints = lines.filter(line => line !== '' && !/^(notice|dangling|Checking)/.test(line))
  return status === 0 ? complaints.join('\n') : `exit ${status}: ${complaints.join('\n')}`
}

export const author = { name: 'one', email: 'one@atoll', seconds: 1_700_000_000 }

export function commitOf(tree: ObjectId, parents: readonly CommitId[] = [], message = 'a commit\n'): CommitObject {
  return { tree, parents, author, committer: author, message }
}

/** A tree of so many small files and one large one, committed on a parent. */
export function writeSample(
  store: ObjectWriter,
  seed: string,
  files = 20,
  parents: readonly CommitId[] = [],
): { commit: CommitId; tree: ObjectId; blobs: { id: ObjectId; bytes: Buffer }[] } {
  const contents = Array.from({ length: files }, (_none, i) => Buffer.from(`{"seed":"${seed}","file":${i}}`))
  contents.push(Buffer.alloc(150_000, seed), Buffer.alloc(0))
  const blobs = contents.map(bytes => ({ id: store.writeBlob(bytes), bytes }))
  const inner = store.writeTree(blobs.map(({ id }, i) => ({ name: `file-${i}.json`, type: 'blob', id })))
  const tree = store.writeTree([
    { name: 'b.json', type: 'blob', id: blobs[0]!.id },
    { name: 'b', type: 'tree', id: inner },
  ])
  return { commit: store.writeCommit(commitOf(tree, parents)), tree, blobs }
}

/** The bytes in chunks of this size. */
export async function* chunked(bytes: Uint8Array, size = 1000): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
}
