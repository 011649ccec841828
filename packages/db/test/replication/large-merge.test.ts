import type * as FsPromises from 'node:fs/promises'
import { join } from 'node:path'
import { MemoryNetwork } from '@atolldb/testkit'
import { type Database } from 'atolldb'
import { afterEach, expect, onTestFinished, test, vi } from 'vitest'
import { View } from '../../src/view/view.ts'
import { eventually, fsck, git, openCluster, settled, type TestNode } from './nodes.ts'

/** A merge of much is read before its trees are written: what others see meanwhile, and what becomes of it. */

const disk = vi.hoisted(() => ({
  /** Of the node that merges: once it has named what it merges, its packs wait for `packs`. */
  repository: '',
  packs: (): Promise<void> => Promise.resolve(),
  hasNamed: false,
}))

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof FsPromises>()
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>) => {
      const path = String(args[0])
      if (disk.repository !== '' && path.startsWith(disk.repository)) {
        if (path.includes('/refs/atoll/heads/')) disk.hasNamed = true
        if (disk.hasNamed && path.includes('/objects/pack/')) await disk.packs()
      }
      return real.open(...args)
    },
  }
})

afterEach(() => {
  disk.repository = ''
  disk.hasNamed = false
})

const RECORDS = 1_200

function writeMany(db: Database, first: number, by: string): Promise<void> {
  return db.batch(tx => {
    for (let i = first; i < first + RECORDS; i++) tx.object('farms').put(`farm-${i}`, { by })
  })
}

/** Two nodes that wrote apart, some of it to the same records; the disk of the first does as `packs` says once they meet. */
async function meeting(packs: () => Promise<void>): Promise<[TestNode, TestNode, { before: string }]> {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  await a.db.offline()
  await writeMany(b.db, 1_000, 'b')
  await writeMany(a.db, 0, 'a')
  await a.db.object('farms').put('farm-5', { by: 'a', late: true })
  const { commit: before } = await a.db.flush()
  await b.db.flush()
  disk.repository = join(a.directory, 'repo.git')
  disk.packs = packs
  await a.db.online()
  return [a, b, { before }]
}

test('readers have it before its trees are durable; main, counts and writers wait for those', async () => {
  let letGo = (): void => undefined
  const held = new Promise<void>(resolve => (letGo = resolve))
  const [a, b, { before }] = await meeting(() => held)
  const farms = a.db.object('farms')
  await eventually(async () => expect(await farms.get('farm-2000')).toEqual({ by: 'b' }))
  expect(await farms.get('farm-0')).toEqual({ by: 'a' })
  expect((await a.db.status()).main).toBe(before)
  expect(git(a, 'rev-parse', 'main').trim()).toBe(before)
  // What readers have seen is named: a crash now would not lose it.
  expect(git(a, 'for-each-ref', '--format=%(objectname)', 'refs/atoll/heads').trim()).toBe(
    git(b, 'rev-parse', 'main').trim(),
  )
  expect(await farms.count()).toBe(RECORDS)
  let isWritten = false
  const write = farms.put('farm-9999', {}).then(() => (isWritten = true))
  const seen: string[] = []
  for await (const [id] of farms.entries({ gte: 'farm-2198' })) seen.push(id)
  expect(seen).toContain('farm-2199')
  expect(isWritten).toBe(false)
  letGo()
  await write
  await settled(a, b)
  expect(await farms.count()).toBe(2_201)
  await eventually(() => expect(git(a, 'for-each-ref', 'refs/atoll/heads')).toBe(''))
  fsck(a)
}, 60_000)

test('what the disk refuses is taken back, and comes once there is room', async () => {
  const node: { a?: TestNode } = {}
  const shown: unknown[] = []
  let isFull = true
  const [a, b, { before }] = await meeting(async () => {
    if (!isFull) return
    shown.push(await node.a?.db.object('farms').get('farm-2000'))
    throw Object.assign(new Error('ENOSPC: injected'), { code: 'ENOSPC', errno: -28 })
  })
  node.a = a
  await eventually(() => expect(shown.at(-1)).toEqual({ by: 'b' }))
  await eventually(async () => expect(await a.db.object('farms').get('farm-2000')).toBeUndefined())
  expect((await a.db.status()).main).toBe(before)
  isFull = false
  expect(await settled(a, b)).not.toBe(before)
  expect(await a.db.object('farms').get('farm-2000')).toEqual({ by: 'b' })
  expect(await a.db.object('farms').count()).toBe(2_200)
  fsck(a)
}, 60_000)

test('what both wrote alike is shown and told as no change, and the view is asked for nothing', async () => {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  await a.db.object('farms').put('farm-7', { by: 'both' })
  await settled(a, b)
  await a.db.offline()
  const told: string[] = []
  for (const { db } of [a, b])
    await db.batch(tx => {
      for (let i = 0; i < RECORDS; i++) tx.object('farms').put(`farm-${i}`, { by: i % 2 === 0 ? 'both' : 'b' })
      if (db === a.db) for (let i = 1; i < RECORDS; i += 200) tx.object('farms').put(`farm-${i}`, { by: 'a' })
    })
  await Promise.all([a.db.flush(), b.db.flush()])
  a.db.object('farms').subscribe(({ id }) => told.push(id))
  const reads = vi.spyOn(View.prototype, 'get')
  onTestFinished(() => reads.mockRestore())
  await a.db.online()
  const commit = await settled(a, b)
  expect(reads).not.toHaveBeenCalled()
  const contested = Array.from({ length: 6 }, (_none, i) => `farm-${1 + i * 200}`)
  const changed = (await contestedValues(a.db, contested)).filter(([, by]) => by === 'b').map(([id]) => id)
  expect(told.toSorted()).toEqual(changed.toSorted())
  expect(await b.db.flush()).toEqual({ commit })
}, 60_000)

async function contestedValues(db: Database, ids: readonly string[]): Promise<[string, unknown][]> {
  const farms = db.object<{ by: string }>('farms')
  return Promise.all(ids.map(async (id): Promise<[string, unknown]> => [id, (await farms.get(id))?.by]))
}
