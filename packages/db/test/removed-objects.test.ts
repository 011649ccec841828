import { execFileSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { type Database, open } from '../src/index.ts'
import { collected } from './history/collected.ts'
import { temporaryDirectory } from './temporary.ts'

/** Objects that commits name, removed from the repository: damage for whoever needs them, and nothing to anybody else. */

const SPRING = 'refs/atoll/refs/spring'

interface Removed {
  readonly db: Database
  readonly first: string
  readonly directory: string
}

/** A record that was written again and again, its first commit named `spring`; then an object goes that stock git finds by that name. */
async function without(object: string): Promise<Removed> {
  const directory = join(temporaryDirectory(), 'data')
  const before = await open(directory)
  await before.object('farms').put('north', { crop: 'rye' })
  const { commit: first } = await before.flush()
  await before.refs.update('spring', first)
  for (const crop of ['oats', 'hay']) {
    await before.object('farms').put('north', { crop })
    await before.flush()
  }
  await before.close()
  // Another node goes on: one looks at the latest commits of its own when it opens.
  for (const part of ['identity.key', 'state', 'journal']) rmSync(join(directory, part), { recursive: true })
  const other = await open(directory)
  await other.object('farms').put('north', { crop: 'barley' })
  await other.flush()
  await other.close()

  const repository = join(directory, 'repo.git')
  const git = (args: string[], input?: Buffer): string =>
    execFileSync('git', ['--git-dir', repository, ...args], { input, stdio: ['pipe', 'pipe', 'ignore'] }).toString()
  // Git unpacks nothing that is there.
  const packs = readdirSync(join(repository, 'objects/pack'))
    .filter(name => name.endsWith('.pack'))
    .map(name => readFileSync(join(repository, 'objects/pack', name)))
  const id = git(['rev-parse', object]).trim()
  rmSync(join(repository, 'objects/pack'), { recursive: true })
  mkdirSync(join(repository, 'objects/pack'))
  for (const pack of packs) git(['unpack-objects', '-q'], pack)
  rmSync(join(repository, 'objects', id.slice(0, 2), id.slice(2)))

  const db = await open(directory)
  onTestFinished(() => db.close())
  return { db, first, directory }
}

function damageOf({ directory }: Removed): unknown {
  const file = join(directory, 'repo.git')
  return expect.objectContaining({
    code: 'CORRUPT',
    data: { file, reason: expect.any(String), repair: 'atoll doctor --repair' },
  })
}

test('the value of an old record', async () => {
  const removed = await without(`${SPRING}:objects/farms/north.json`)
  const { db, first } = removed
  const then = (await db.at(first)).object('farms')
  await expect(then.get('north')).rejects.toEqual(damageOf(removed))
  await expect(collected(then.entries())).rejects.toEqual(damageOf(removed))
  await expect(collected(db.diff(first, 'main'))).rejects.toEqual(damageOf(removed))
  await expect(collected((await db.show(first)).changes)).rejects.toEqual(damageOf(removed))
  await expect(collected(db.log({ object: 'farms', id: 'north' }))).rejects.toEqual(damageOf(removed))
  // What does not need it goes on, and what was never there is absent as ever.
  expect(await then.keys()[Symbol.asyncIterator]().next()).toMatchObject({ value: 'north' })
  expect(await then.get('nowhere')).toBeUndefined()
  await expect(db.at('0'.repeat(40))).rejects.toMatchObject({ code: 'MISSING' })
  await db.object('farms').put('north', { crop: 'hay' })
  await db.flush()
})

test('the tree of a commit', async () => {
  const removed = await without(`${SPRING}^{tree}`)
  const { db, first } = removed
  const then = await db.at(first)
  await expect(then.object('farms').count()).rejects.toEqual(damageOf(removed))
  await expect(then.collections()).rejects.toEqual(damageOf(removed))
  await expect(collected(db.diff('main', 'spring'))).rejects.toEqual(damageOf(removed))
})

test('a commit of the history', async () => {
  const removed = await without(SPRING)
  const { db, first } = removed
  await expect(collected(db.log())).rejects.toEqual(damageOf(removed))
  await expect(db.at('@{2020-01-01}')).rejects.toEqual(damageOf(removed))
  // A ref says that it was there; an id might be anything.
  await expect(db.at('spring')).rejects.toEqual(damageOf(removed))
  await expect(db.at(first)).rejects.toMatchObject({ code: 'MISSING' })
})

test('what the next commit is made upon', async () => {
  const removed = await without('main:objects/farms')
  const { db } = removed
  await expect(collected(db.changes({ since: '0', live: false }))).rejects.toEqual(damageOf(removed))
  const farms = db.object('farms')
  await farms.put('south', { crop: 'hay' })
  await expect(db.flush()).rejects.toEqual(damageOf(removed))
  expect(await db.status()).toMatchObject({ state: 'degraded', pending: 1, next: expect.stringContaining('doctor') })
  expect(await farms.get('south')).toEqual({ crop: 'hay' })
})
