import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, type Log, open } from 'atolldb'
import { expect, it, onTestFinished } from 'vitest'
import { temporaryDirectory } from './temporary.ts'

/** A node, and a promise for the next merge that it does by itself. */
async function openWatched(directory: string): Promise<{ db: Database; merged: () => Promise<void> }> {
  let tell: () => void = () => undefined
  const log: Log = (_level, message) => {
    if (message === 'packs were merged') tell()
  }
  const db = await open(directory, { log })
  onTestFinished(() => db.close())
  return { db, merged: () => new Promise(resolve => (tell = resolve)) }
}

const packs = (directory: string): number =>
  readdirSync(join(directory, 'repo.git/objects/pack')).filter(name => name.endsWith('.pack')).length

/** Each of them changes something. */
let written = 0
async function commit(db: Database, commits: number): Promise<void> {
  for (let i = 0; i < commits; i++) {
    await db.object('farms').put(`farm-${i}`, { crop: 'rye', written: written++ })
    await db.flush()
  }
}

it('keeps the packs few while it writes, and merges when it is quiet', async () => {
  const directory = temporaryDirectory()
  const { db, merged } = await openWatched(directory)
  const first = merged()
  // As many as there may be, so that it does not wait for quiet.
  await commit(db, 30)
  await first
  await commit(db, 7)
  await expect.poll(() => packs(directory)).toBeLessThanOrEqual(12 + Math.log2(38))
  const quiet = merged()
  await commit(db, 9)
  await quiet
  await expect.poll(() => packs(directory)).toBeLessThan(12)
  expect(await db.object('farms').get('farm-8')).toEqual({ crop: 'rye', written: written - 1 })
  await db.close()
  const again = await open(directory)
  expect(await again.object('farms').count()).toBe(30)
  await again.close()
})

it('puts all into one when it is asked to, and goes on from there', async () => {
  const directory = temporaryDirectory()
  const { db } = await openWatched(directory)
  await commit(db, 6)
  const progress: number[] = []
  const summary = await db.compact({ onProgress: ({ done, total }) => progress.push(done / total) })
  expect(summary).toMatchObject({ packsAfter: 1, objects: expect.any(Number) as number })
  expect(progress.at(-1)).toBe(1)
  expect(packs(directory)).toBe(1)
  await commit(db, 2)
  expect(await db.compact()).toMatchObject({ packsBefore: 3, packsAfter: 1 })
  const entries = []
  for await (const entry of db.log()) entries.push(entry)
  expect(entries.length).toBe(9)
  await expect(db.compact({ signal: AbortSignal.abort() })).rejects.toMatchObject({ code: 'ABORTED' })
})

it('names a damaged pack in status, and merges the others', async () => {
  const directory = temporaryDirectory()
  const { db, merged } = await openWatched(directory)
  const path = join(directory, 'repo.git/objects/pack')
  await db.flush()
  const before = readdirSync(path)
  await db.object('logs').put('lost', { crop: 'to be lost' })
  await db.flush()
  const pack = join(
    path,
    readdirSync(path).find(file => file.endsWith('.pack') && !before.includes(file))!,
  )
  const bytes = readFileSync(pack)
  bytes[bytes.indexOf('to be lost')]! ^= 1
  rmSync(pack)
  writeFileSync(pack, bytes)
  const first = merged()
  await commit(db, 30)
  await first
  expect(await db.status()).toMatchObject({
    state: 'degraded',
    reason: expect.stringContaining(pack) as string,
    next: expect.stringContaining('atoll doctor') as string,
  })
  await expect.poll(() => packs(directory)).toBeLessThanOrEqual(12 + Math.log2(32))
  expect(existsSync(pack)).toBe(true)
})

it('stops when the node is closed', async () => {
  const directory = temporaryDirectory()
  const { db } = await openWatched(directory)
  await db.batch(tx => {
    for (let i = 0; i < 5000; i++) tx.object('farms').put(`farm-${i}`, { crop: 'rye', i })
  })
  await db.flush()
  await commit(db, 1)
  let closed: Promise<void> | undefined
  const onProgress = (): void => {
    closed ??= db.close()
  }
  const compacting = db.compact({ onProgress })
  await expect(compacting).rejects.toMatchObject({ code: 'CLOSED' })
  await closed
  await expect(db.compact()).rejects.toMatchObject({ code: 'CLOSED' })
  expect(readdirSync(join(directory, 'repo.git/objects/pack')).filter(name => name.startsWith('tmp_'))).toEqual([])
})
