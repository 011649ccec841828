import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CommitGraph, type CommitId, EMPTY_TREE } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Branch } from '../src/engine/branch.ts'
import { temporaryDirectory } from './temporary.ts'

/** A repository with a commit that nothing names. */
async function repositoryWithCommit(): Promise<{ repository: Repository; main: CommitId }> {
  const repository = await Repository.open(join(temporaryDirectory(), 'repo.git'), { create: true })
  onTestFinished(() => repository.close())
  const stage = repository.stage()
  const author = { name: 'one', email: 'one@atoll', seconds: 1_700_000_000 }
  const tree = stage.writeTree([])
  const main = stage.writeCommit({ tree, parents: [], author, committer: author, message: 'one\n' })
  await stage.commit()
  return { repository, main }
}

it('main is nowhere seen without what it brings', async () => {
  const { repository, main } = await repositoryWithCommit()
  const branch = await Branch.load(repository, new CommitGraph(repository))
  const visible: string[] = []
  let seen = 0
  const andThen = (): void => {
    expect(branch.state?.main).toBe(main)
    visible.push(main)
  }
  const move = branch.move({ main, heads: [main], tree: EMPTY_TREE }, { andThen })
  // Microtasks run between the steps of others; the loop must turn now and then for the file system to answer.
  while (visible.length === 0) {
    expect(branch.state).toBeUndefined()
    if (++seen % 50 === 0) await new Promise(resolve => setImmediate(resolve))
    else await Promise.resolve()
  }
  await move
  await branch.move({ main, heads: [main], tree: EMPTY_TREE }, { andThen: () => seen++ })
  expect(await repository.readRef('refs/heads/main')).toBe(main)
})

it('main does not move before its objects are durable, and not at all where they are not', async () => {
  const { repository, main } = await repositoryWithCommit()
  const branch = await Branch.load(repository, new CommitGraph(repository))
  const next = { main, heads: [main], tree: EMPTY_TREE }
  const failed = Promise.reject(new Error('no room'))
  await expect(branch.move(next, { objects: failed })).rejects.toThrow('no room')
  expect([branch.state, await repository.readRef('refs/heads/main')]).toEqual([undefined, undefined])
  let resolve = (): void => undefined
  const objects = new Promise<void>(done => (resolve = done))
  const move = branch.move(next, { objects })
  // The ref is ready to be moved: git's lock is there.
  await vi.waitFor(() => expect(existsSync(join(repository.directory, 'refs/heads/main.lock'))).toBe(true))
  expect(await repository.readRef('refs/heads/main')).toBeUndefined()
  resolve()
  await move
  expect(await repository.readRef('refs/heads/main')).toBe(main)
})
