import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { CommitGraph, type CommitId, EMPTY_TREE } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { expect, it, onTestFinished, vi } from 'vitest'
import { Branch } from '../src/engine/branch.ts'
import { temporaryDirectory } from './temporary.ts'

/** A repository with two commits that nothing names. */
async function repositoryWithCommit(): Promise<{ repository: Repository; main: CommitId; other: CommitId }> {
  const repository = await Repository.open(join(temporaryDirectory(), 'repo.git'), { create: true })
  onTestFinished(() => repository.close())
  const stage = repository.stage()
  const author = { name: 'one', email: 'one@atoll', seconds: 1_700_000_000 }
  const tree = stage.writeTree([])
  const main = stage.writeCommit({ tree, parents: [], author, committer: author, message: 'one\n' })
  const other = stage.writeCommit({ tree, parents: [], author, committer: author, message: 'another\n' })
  await stage.commit()
  return { repository, main, other }
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

it('main moves on from where it is after a move that failed when it was done', async () => {
  const { repository, main, other } = await repositoryWithCommit()
  const branch = await Branch.load(repository, new CommitGraph(repository))
  const updateRef = repository.updateRef.bind(repository)
  vi.spyOn(repository, 'updateRef').mockImplementationOnce(async (...move) => {
    await updateRef(...move)
    throw new Error('not durable')
  })
  const next = { main, heads: [main], tree: EMPTY_TREE }
  await expect(branch.move(next)).rejects.toThrow('not durable')
  expect([branch.state, await repository.readRef('refs/heads/main')]).toEqual([undefined, main])
  // One that fails before it is done, or before it is known where the ref is, changes nothing about that.
  await expect(branch.move(next, { objects: Promise.reject(new Error('no room')) })).rejects.toThrow('no room')
  vi.spyOn(repository, 'readRef').mockRejectedValueOnce(new Error('no descriptor'))
  await expect(branch.move(next, { objects: Promise.reject(new Error('no room')) })).rejects.toThrow('no descriptor')
  await branch.move({ main: other, heads: [other], tree: EMPTY_TREE })
  expect([branch.state?.main, await repository.readRef('refs/heads/main')]).toEqual([other, other])
})

it('another who moved main is in conflict, after a failure too', async () => {
  const { repository, main, other } = await repositoryWithCommit()
  const branch = await Branch.load(repository, new CommitGraph(repository))
  const next = { main, heads: [main], tree: EMPTY_TREE }
  await repository.updateRef('refs/heads/main', other, undefined)
  await expect(branch.move(next)).rejects.toMatchObject({ code: 'CONFLICT' })
  await expect(branch.move(next)).rejects.toMatchObject({ code: 'CONFLICT' })
})

it.each(['before', 'after'])('heads that wait are named, and forgotten, %s a failure half way', async when => {
  const { repository, main, other } = await repositoryWithCommit()
  const branch = await Branch.load(repository, new CommitGraph(repository))
  const names = async (): Promise<string[]> => [...(await repository.listRefs('refs/atoll/heads/')).values()].sort()
  const both = [main, other]
  // The second of each fails, before it has done anything or after.
  for (const method of ['updateRef', 'deleteRef'] as const) {
    const real = repository[method].bind(repository) as (...place: unknown[]) => Promise<void>
    let calls = 0
    vi.spyOn(repository, method).mockImplementation(async (...place: unknown[]) => {
      const fails = ++calls === 2
      if (fails && when === 'before') throw new Error('no descriptor')
      await real(...place)
      if (fails) throw new Error('no descriptor')
    })
  }
  await expect(branch.keepWaiting(both)).rejects.toThrow('no descriptor')
  expect(branch.waiting).toEqual([main])
  await branch.keepWaiting(both)
  expect(await names()).toEqual(both.toSorted())
  await expect(branch.keepWaiting([])).rejects.toThrow('no descriptor')
  expect(branch.waiting).toEqual([other])
  await branch.keepWaiting([])
  expect([branch.waiting, await names()]).toEqual([[], []])
})
