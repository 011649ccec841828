import { join } from 'node:path'
import { CommitGraph, EMPTY_TREE } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { expect, it, onTestFinished } from 'vitest'
import { Branch } from '../src/engine/branch.ts'
import { temporaryDirectory } from './temporary.ts'

it('main is nowhere seen without what it brings', async () => {
  const repository = await Repository.open(join(temporaryDirectory(), 'repo.git'), { create: true })
  onTestFinished(() => repository.close())
  const stage = repository.stage()
  const author = { name: 'one', email: 'one@atoll', seconds: 1_700_000_000 }
  const tree = stage.writeTree([])
  const main = stage.writeCommit({ tree, parents: [], author, committer: author, message: 'one\n' })
  await stage.commit()
  const branch = await Branch.load(repository, new CommitGraph(repository))
  const visible: string[] = []
  let seen = 0
  const move = branch.move({ main, heads: [main], tree: EMPTY_TREE }, () => {
    expect(branch.state?.main).toBe(main)
    visible.push(main)
  })
  // Microtasks run between the steps of others; the loop must turn now and then for the file system to answer.
  while (visible.length === 0) {
    expect(branch.state).toBeUndefined()
    if (++seen % 50 === 0) await new Promise(resolve => setImmediate(resolve))
    else await Promise.resolve()
  }
  await move
  await branch.move({ main, heads: [main], tree: EMPTY_TREE }, () => seen++)
  expect(await repository.readRef('refs/heads/main')).toBe(main)
})
