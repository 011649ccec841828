import { cpSync, rmSync } from 'node:fs'
import type * as FsPromises from 'node:fs/promises'
import { join } from 'node:path'
import { MemoryNetwork } from '@atolldb/testkit'
import { type Database, open } from 'atolldb'
import { afterEach, expect, test, vi } from 'vitest'
import { temporaryDirectory } from '../temporary.ts'
import { eventually, fsck, git, openCluster, records, settled, type TestNode } from './nodes.ts'

/** A crash at each file operation of an adoption that shows a large merge before its trees are written. */

const disk = vi.hoisted(() => ({
  /** Of the node that adopts; what is done to a file in it is told before it is done. */
  watched: '',
  before: (_operation: string): Promise<void> => Promise.resolve(),
}))

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof FsPromises>()
  const told = async (operation: string, path: unknown): Promise<void> => {
    if (disk.watched !== '' && String(path).startsWith(disk.watched)) await disk.before(`${operation} ${String(path)}`)
  }
  const telling =
    <Arguments extends unknown[], Result>(operation: string, call: (...args: Arguments) => Promise<Result>) =>
    async (...args: Arguments): Promise<Result> => {
      await told(operation, args[0])
      return call(...args)
    }
  return {
    ...real,
    rename: telling('rename', real.rename),
    unlink: telling('unlink', real.unlink),
    rmdir: telling('rmdir', real.rmdir as (path: string) => Promise<void>),
    rm: telling('rm', real.rm),
    mkdir: telling('mkdir', real.mkdir as (path: string) => Promise<string | undefined>),
    open: async (...args: Parameters<typeof real.open>) => {
      if (args[1] !== 'r' && args[1] !== undefined) await told('open', args[0])
      const handle = await real.open(...args)
      const doing =
        <Arguments extends unknown[], Result>(operation: string, call: (...of: Arguments) => Promise<Result>) =>
        async (...of: Arguments): Promise<Result> => {
          await told(operation, args[0])
          return call(...of)
        }
      const writing = handle.write.bind(handle) as (...of: unknown[]) => Promise<unknown>
      return Object.assign(handle, {
        write: doing('write', writing) as typeof handle.write,
        writeFile: doing('writeFile', handle.writeFile.bind(handle)),
        sync: doing('sync', handle.sync.bind(handle)),
        datasync: doing('datasync', handle.datasync.bind(handle)),
        truncate: doing('truncate', handle.truncate.bind(handle)),
      })
    },
  }
})

afterEach(() => {
  disk.watched = ''
})

/** Each is in conflict, and its entry counts as well: enough for a large merge. */
const RECORDS = 520

/** What a crash at that operation would leave, and whether readers had been shown the merge by then. */
interface Image {
  readonly operation: string
  readonly directory: string
  readonly wasSeen: boolean
}

/** Copies what is there before each operation, once the heads to be merged are being named, until they are named no more. */
async function imagesOfAdoption(a: TestNode, b: TestNode): Promise<Image[]> {
  const images: Image[] = []
  const directory = temporaryDirectory()
  let isUnderWay = false
  disk.watched = a.directory
  disk.before = async operation => {
    isUnderWay ||= operation.includes('refs/atoll/heads/')
    if (!isUnderWay) return
    const wasSeen = (await a.db.object('farms').get('only-b')) !== undefined
    const image = join(directory, String(images.length))
    images.push({ operation: operation.replaceAll(a.directory, ''), directory: image, wasSeen })
    // In one turn, and the repository last: what names its commits was written after them.
    for (const part of ['format', 'identity.key', 'state', 'journal', 'view', 'changes', 'repo.git'])
      cpSync(join(a.directory, part), join(image, part), { recursive: true })
  }
  await a.db.online()
  await settled(a, b)
  await eventually(() => expect(git(a, 'for-each-ref', 'refs/atoll/heads')).toBe(''))
  disk.watched = ''
  return images
}

async function write(db: Database, by: string): Promise<void> {
  await db.batch(tx => {
    for (let i = 0; i < RECORDS; i++) tx.object('farms').put(`farm-${i}`, { by })
    tx.object('farms').put(`only-${by}`, { by })
    tx.object('farms').delete(by === 'a' ? 'gone' : 'lost')
  })
  await db.flush()
}

test('leaves what was there before or all of the merge, and never takes back what was read', async () => {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  for (const id of ['gone', 'lost']) await a.db.object('farms').put(id, 0)
  await settled(a, b)
  await a.db.offline()
  await write(a.db, 'a')
  await write(b.db, 'b')
  const before = { main: (await a.db.status()).main, records: await records(a.db) }
  const images = await imagesOfAdoption(a, b)
  const after = { main: (await a.db.status()).main, records: await records(a.db) }
  expect(after.records).not.toEqual(before.records)

  const operations = images.map(({ operation }) => operation)
  // Of all that an adoption writes something is among them: heads, packs, main, and the moves.
  for (const part of ['/refs/atoll/heads/', '/objects/pack/', '/refs/heads/main', '/state/moves'])
    expect(operations.filter(operation => operation.includes(part))).not.toEqual([])
  // Some crashes come between what readers see and what is durable.
  expect(images.some(({ wasSeen, operation }) => wasSeen && operation.includes('/objects/pack/'))).toBe(true)
  let taken = 0
  for (const { operation, directory, wasSeen } of images) {
    fsck({ directory })
    const db = await open(directory, { durability: 'os' })
    try {
      const found = { main: (await db.status()).main, records: await records(db) }
      expect([before, after], operation).toContainEqual(found)
      if (wasSeen) expect(found, operation).toEqual(after)
      if (found.main === after.main) taken++
      expect(await db.object('farms').count(), operation).toBe(Object.keys(found.records).length)
    } finally {
      await db.close()
    }
    fsck({ directory })
    rmSync(directory, { recursive: true })
  }
  expect(taken).toBeGreaterThan(0)
  expect(taken).toBeLessThan(images.length)
}, 120_000)
