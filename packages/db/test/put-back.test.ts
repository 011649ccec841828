import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Database, open } from '../src/index.ts'
import { fsck } from './replication/nodes.ts'
import { temporaryDirectory } from './temporary.ts'

/** A repository that is put back to an older copy while the journal stays: what it lost is in the journal still. */

async function values(db: Database): Promise<unknown[]> {
  return Promise.all(['old', 'new', 'newer', 'newest'].map(id => db.object('farms').get(id)))
}

test('what a repository that is put back to an older copy has lost is pending again, as far as the journal has it', async () => {
  const directory = join(temporaryDirectory(), 'data')
  const repository = join(directory, 'repo.git')
  const backup = join(temporaryDirectory(), 'backup.git')
  const options = { seal: { maxDelayMs: 60_000 } }
  const db = await open(directory, options)
  await db.object('farms').put('old', 1)
  await db.flush()
  cpSync(repository, backup, { recursive: true })
  await db.object('farms').put('new', 2)
  await db.flush()
  await db.object('farms').put('newer', 3)
  // Changes nothing: its note names no commit of its own.
  await db.flush()
  await db.object('farms').put('newer', 3)
  const { commit } = await db.flush()
  await db.close()
  rmSync(repository, { recursive: true })
  cpSync(backup, repository, { recursive: true })

  const again = await open(directory, options)
  expect(await values(again)).toEqual([1, 2, 3, undefined])
  expect((await again.status()).pending).toBe(3)
  // Made upon the same, of the same: it is the same.
  expect((await again.flush()).commit).toBe(commit)
  await again.object('farms').put('newest', 4)
  await again.close()
  fsck({ directory })

  const once = await open(directory, options)
  expect(await values(once)).toEqual([1, 2, 3, 4])
  expect((await once.status()).pending).toBe(0)
  await once.close()
})
