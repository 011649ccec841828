import { join } from 'node:path'
import { isAtollError } from '@atolldb/core'
import { type Database, open } from 'atolldb'
import { expect } from 'vitest'
import { fsckProblems } from './strict-fsck.ts'
import { withTmpfs } from './tmpfs.ts'

const WRITERS = 20
const IDS = 400
/** So many rounds of writers must have failed, and then the seal of what is pending too. */
const FAILED_ROUNDS = 5

/**
 * Fills a disk of that size: writes fail with STORAGE_FULL and leave no trace, reads go on or need a view that there is no room for,
 * and with room the node goes on at once, has all that it acknowledged, before and after a restart, and git is content. Returns how many writes were
 * acknowledged.
 */
export async function fillDisk(sizeMb: number, valueBytes: number): Promise<number> {
  let acknowledged = 0
  await withTmpfs(sizeMb, async disk => {
    const directory = join(disk.path, 'data')
    const db = await open(directory)
    const expected = new Map<string, string>()
    try {
      acknowledged = await writeUntilFull(db, expected, valueBytes)
      await expect(db.flush()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
      await expectReadable(db, expected)
      expect((await db.status()).pending).toBeGreaterThan(0)

      disk.resize(sizeMb + 64)
      await db.object('farms').put('after', 'there is room')
      expected.set('after', 'there is room')
      const { commit } = await db.flush()
      expect(await readAll(db)).toEqual(expected)
      expect((await db.status()).pending).toBe(0)
      expect((await db.status()).main).toBe(commit)
    } finally {
      await db.close()
    }
    const again = await open(directory)
    expect(await readAll(again)).toEqual(expected)
    await again.close()
    expect(fsckProblems(directory)).toEqual([])
  })
  return acknowledged
}

/** `expected` is what was acknowledged last. */
async function writeUntilFull(db: Database, expected: Map<string, string>, valueBytes: number): Promise<number> {
  const farms = db.object<string>('farms')
  let tried = 0
  let acknowledged = 0
  for (let failedRounds = 0; failedRounds < FAILED_ROUNDS;) {
    const outcomes = await Promise.allSettled(
      Array.from({ length: WRITERS }, async () => {
        const id = `farm ${tried % IDS}`
        const value = `${tried++} ${'x'.repeat(valueBytes)}`
        await farms.put(id, value)
        expected.set(id, value)
        acknowledged++
      }),
    )
    const failed = outcomes.filter(outcome => outcome.status === 'rejected')
    for (const { reason } of failed) if (!isAtollError(reason, 'STORAGE_FULL')) throw reason
    if (failed.length > 0) failedRounds++
  }
  return acknowledged
}

/** LevelDB may have met the full disk first: then the view has to be made anew before it answers, and reads fail as writes do. */
async function expectReadable(db: Database, expected: ReadonlyMap<string, string>): Promise<void> {
  const values = await db
    .object('farms')
    .getMany([...expected.keys()])
    .catch((error: unknown) => {
      if (!isAtollError(error, 'STORAGE_FULL')) throw error
      return undefined
    })
  if (values !== undefined) expect(values).toEqual([...expected.values()])
}

async function readAll(db: Database): Promise<Map<string, string>> {
  const all = new Map<string, string>()
  for await (const [id, value] of db.object<string>('farms').entries()) all.set(id, value)
  expect(await db.object('farms').count()).toBe(all.size)
  return all
}
