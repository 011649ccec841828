import type * as FsPromises from 'node:fs/promises'
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryNetwork } from '@atolldb/testkit'
import { expect, test, vi } from 'vitest'
import { eventually, openCluster, type TestNode } from './nodes.ts'

/** What a node does whose disk fails to keep what a peer sent. */

const disk = vi.hoisted(() => ({
  /** Where syncs fail. */
  failing: 'nowhere',
}))

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof FsPromises>()
  return {
    ...real,
    open: async (...args: Parameters<typeof real.open>) => {
      const handle = await real.open(...args)
      const sync = handle.sync.bind(handle)
      return Object.assign(handle, {
        sync: async () => {
          if (String(args[0]).includes(disk.failing))
            throw Object.assign(new Error('EIO: injected'), { code: 'EIO', errno: -5 })
          await sync()
        },
      })
    },
  }
})

test('a pack from a peer whose sync fails ends writing, and does not count', async () => {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  await a.db.offline()
  await b.db.object('farms').put('north', 1)
  await b.db.flush()
  await a.db.flush()
  const { main } = await a.db.status()
  const path = join(a.directory, 'repo.git/objects/pack')
  const packs = readdirSync(path).sort()
  disk.failing = path
  await a.db.online()
  await eventually(async () => expect(await a.db.status()).toMatchObject({ state: 'degraded', main }))
  disk.failing = 'nowhere'
  await expect(a.db.object('farms').put('south', 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  await expect(a.db.flush()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect(readdirSync(path).sort()).toEqual(packs)
  expect(await a.db.object('farms').get('north')).toBeUndefined()
})
