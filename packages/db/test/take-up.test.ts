import type { CommitId } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { execFileSync } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type Database, type LogEntry, open } from '../src/index.ts'
import type { JournalChange } from '../src/journal/frame.ts'
import { Journal } from '../src/journal/journal.ts'
import { append, putOf } from './entries.ts'
import { temporaryDirectory } from './temporary.ts'

/** What a crash leaves in the journal, made by hand, and what a node makes of it when it starts. */

async function filled(): Promise<{ directory: string; main: CommitId }> {
  const directory = join(temporaryDirectory(), 'data')
  const db = await open(directory)
  await db.object('things').put('a', 1)
  const { commit } = await db.flush()
  await db.close()
  return { directory, main: commit }
}

/** Entries that were acknowledged and not sealed. */
async function leave(directory: string, entries: readonly [CommitId, ...JournalChange[]][]): Promise<void> {
  const { journal } = await Journal.open(join(directory, 'journal'), { durability: 'sync', onAbandon: () => undefined })
  let counter = 0
  for (const [main, ...changes] of entries) await append(journal, main, { ms: Date.now(), counter: counter++ }, changes)
  await journal.close()
}

/** Another node's commit upon `main` becomes `main`: as after an adoption whose notes were lost, or a restored backup. */
async function adoptByHand(directory: string): Promise<CommitId> {
  const other = join(temporaryDirectory(), 'data')
  cpSync(directory, other, { recursive: true })
  for (const part of ['identity.key', 'state', 'journal']) rmSync(join(other, part), { recursive: true })
  const db = await open(other)
  await db.object('things').put('theirs', 1)
  const { commit } = await db.flush()
  await db.close()
  const packs = join('repo.git', 'objects', 'pack')
  cpSync(join(other, packs), join(directory, packs), { recursive: true })
  cpSync(join(other, 'repo.git', 'refs'), join(directory, 'repo.git', 'refs'), { recursive: true })
  return commit
}

async function records(db: Database): Promise<Record<string, unknown>> {
  const found: Record<string, unknown> = {}
  for await (const [id, value] of db.object('things').entries()) found[id] = value
  expect(await db.object('things').count()).toBe(Object.keys(found).length)
  return found
}

async function logOf(db: Database): Promise<LogEntry[]> {
  const entries: LogEntry[] = []
  for await (const entry of db.log()) entries.push(entry)
  return entries
}

function expectClean(directory: string): void {
  const output = execFileSync('git', ['--git-dir', join(directory, 'repo.git'), 'fsck', '--strict', '--no-progress'])
  expect(output.toString()).toBe('')
}

describe('at its start a node', () => {
  test('finds that what was sealed without a note is in a commit, and makes none', async () => {
    const { directory } = await filled()
    const journal = join(directory, 'journal')
    const kept = join(directory, '..', 'journal')
    const db = await open(directory, { seal: { maxDelayMs: 60_000 } })
    const { commit: before } = await db.flush()
    await leaveRunning(db, journal, kept)
    const { commit: after } = await db.flush()
    expect(after).not.toBe(before)
    await db.close()
    rmSync(journal, { recursive: true })
    cpSync(kept, journal, { recursive: true })
    const again = await open(directory)
    expect((await again.flush()).commit).toBe(after)
    expect(await records(again)).toEqual({ a: 1, b: 3 })
    await again.close()
    const [count] = [await logLength(directory)]
    expect(count).toBeGreaterThanOrEqual(3)
  })

  test('seals what is pending upon main, in as few commits as it may', async () => {
    const { directory, main } = await filled()
    await leave(directory, [
      [main, putOf('b', 1)],
      [main, putOf('b', 2), putOf('c', 1)],
    ])
    const db = await open(directory)
    expect(await records(db)).toEqual({ a: 1, b: 2, c: 1 })
    await db.flush()
    expect((await logOf(db)).map(({ subject }) => subject)[0]).toBe('things +2')
    await db.close()
    expectClean(directory)
  })

  test('makes a head of its own of what was made upon another main', async () => {
    const { directory, main } = await filled()
    await leave(directory, [
      [main, putOf('ours', 1)],
      [main, putOf('a', 'ours')],
    ])
    const theirs = await adoptByHand(directory)
    await leave(directory, [[theirs, putOf('pending', 1)]])
    const db = await open(directory)
    expect(await records(db)).toEqual({ a: 'ours', ours: 1, theirs: 1, pending: 1 })
    const log = await logOf(db)
    expect(log[0]?.type).toBe('merge')
    // What was made without seeing theirs stays concurrent with it; what was made upon theirs does not see the other.
    const bySubject = (part: string): LogEntry | undefined => log.find(({ subject }) => subject.includes(part))
    expect(log.filter(({ type }) => type === 'data').map(({ parents }) => parents)).toEqual(
      expect.arrayContaining([[main], [theirs]]),
    )
    expect(bySubject('things +1 ~1')?.parents).toEqual([main])
    expect((await db.status()).pending).toBe(0)
    const { main: merged } = await db.status()
    await db.close()
    expectClean(directory)
    // Once is enough.
    const again = await open(directory)
    expect((await again.status()).main).toBe(merged)
    expect(await records(again)).toEqual({ a: 'ours', ours: 1, theirs: 1, pending: 1 })
    await again.close()
  })

  test('keeps a head that it named before a crash came', async () => {
    const { directory, main } = await filled()
    const theirs = await adoptByHand(directory)
    const repository = await Repository.open(join(directory, 'repo.git'))
    await repository.updateRef('refs/heads/main', main, theirs)
    await repository.updateRef(`refs/atoll/heads/${theirs}`, theirs, undefined)
    await repository.close()
    const db = await open(directory)
    expect(await records(db)).toEqual({ a: 1, theirs: 1 })
    expect((await db.status()).main).toBe(theirs)
    await db.close()
    expectClean(directory)
  })

  test('builds upon what it has when the main of an entry is gone', async () => {
    const { directory } = await filled()
    await leave(directory, [['1'.repeat(40) as CommitId, putOf('b', 1)]])
    const db = await open(directory)
    await db.flush()
    expect(await records(db)).toEqual({ a: 1, b: 1 })
    await db.close()
    expectClean(directory)
  })
})

async function leaveRunning(db: Database, journal: string, kept: string): Promise<void> {
  const things = db.object('things')
  for (let i = 1; i <= 3; i++) await things.put('b', i)
  cpSync(journal, kept, { recursive: true })
}

async function logLength(directory: string): Promise<number> {
  const db = await open(directory)
  const { length } = await logOf(db)
  await db.close()
  return length
}
