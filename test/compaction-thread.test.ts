import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type * as Git from '@atolldb/git'

/** Merging packs in a thread of its own needs a file that Node can load, so this is the built package's. */
const { Repository } = (await import(new URL('../packages/git/dist/index.js', import.meta.url).href)) as typeof Git

const author = { name: 'one', email: 'one@atoll', seconds: 1_700_000_000 }

async function grown(packs: number): Promise<Git.Repository> {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-thread-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  const repository = await Repository.open(directory, { create: true, compactInThread: true })
  onTestFinished(() => repository.close())
  let parent: Parameters<ReturnType<typeof repository.stage>['writeCommit']>[0]['parents'] = []
  for (let number = 0; number < packs; number++) {
    const stage = repository.stage()
    const blobs = Array.from({ length: 200 }, (_, i) => stage.writeBlob(Buffer.from(`{"number":${number},"i":${i}}`)))
    const tree = stage.writeTree(blobs.map((id, i) => ({ name: `file-${i}.json`, type: 'blob', id })))
    parent = [stage.writeCommit({ tree, parents: parent, author, committer: author, message: `${number}\n` })]
    await stage.commit()
  }
  await repository.updateRef('refs/heads/main', parent[0]!, undefined)
  return repository
}

const packFiles = (directory: string): string[] => readdirSync(join(directory, 'objects/pack')).toSorted()

describe('compaction in a thread', () => {
  test('leaves one pack that stock git accepts, and tells how far it is', async () => {
    const repository = await grown(8)
    const progress: [number, number][] = []
    const summary = await repository.compact({ all: true, onProgress: (...step) => progress.push(step) })
    expect(summary).toMatchObject({ packsBefore: 8, packsAfter: 1, objects: 8 * 202 })
    expect(progress.at(-1)).toEqual([8 * 202, 8 * 202])
    execFileSync('git', ['-C', repository.directory, 'fsck', '--strict', '--full'], { stdio: 'pipe' })
  })

  test('stops when it is told to, and leaves everything as it was', async () => {
    const repository = await grown(8)
    const before = packFiles(repository.directory)
    const stop = new AbortController()
    const stopped = repository.compact({ all: true, signal: stop.signal, onProgress: () => stop.abort() })
    await expect(stopped).rejects.toMatchObject({ name: 'AtollError', code: 'ABORTED' })
    expect(packFiles(repository.directory)).toEqual(before)
  })

  test('says which pack is damaged, and leaves everything as it was', async () => {
    const repository = await grown(3)
    const before = packFiles(repository.directory)
    const path = join(
      repository.directory,
      'objects/pack',
      before.find(name => name.endsWith('.pack'))!,
    )
    const bytes = readFileSync(path)
    bytes[bytes.length >> 1]! ^= 1
    rmSync(path)
    writeFileSync(path, bytes)
    await expect(repository.compact({ all: true })).rejects.toMatchObject({ name: 'AtollError', code: 'CORRUPT' })
    expect(packFiles(repository.directory)).toEqual(before)
  })
})
