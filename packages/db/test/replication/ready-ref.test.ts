import type * as FsPromises from 'node:fs/promises'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryNetwork } from '@atolldb/testkit'
import { afterEach, expect, test, vi } from 'vitest'
import { eventually, openCluster, type TestNode } from './nodes.ts'

/** What a node makes ready while a pack from a peer becomes durable, and what it leaves until it is. */

const disk = vi.hoisted(() => ({
  /** Syncs of this path wait for that. */
  heldPath: undefined as string | undefined,
  held: Promise.resolve(),
  /** Syncs and renames, in the order in which they ended. */
  done: [] as string[],
}))

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof FsPromises>()
  return {
    ...real,
    rename: async (from: string, to: string) => {
      await real.rename(from, to)
      disk.done.push(`rename ${to}`)
    },
    open: async (...args: Parameters<typeof real.open>) => {
      const handle = await real.open(...args)
      const sync = handle.sync.bind(handle)
      return Object.assign(handle, {
        sync: async () => {
          const path = String(args[0])
          if (path === disk.heldPath) await disk.held
          await sync()
          disk.done.push(`sync ${path}`)
        },
      })
    },
  }
})

function holdSyncsOf(path: string): { readonly release: (failure?: Error) => void } {
  const { promise, resolve, reject } = deferred()
  disk.heldPath = path
  disk.held = promise
  disk.done = []
  return { release: failure => (failure === undefined ? resolve() : reject(failure)) }
}

function deferred(): { promise: Promise<void>; resolve: () => void; reject: (reason: Error) => void } {
  let resolve = (): void => undefined
  let reject: (reason: Error) => void = () => undefined
  const promise = new Promise<void>((...settle) => ([resolve, reject] = settle))
  return { promise, resolve, reject }
}

afterEach(() => (disk.heldPath = undefined))

async function pair(): Promise<{ a: TestNode; b: TestNode; paths: { packs: string; lock: string; main: string } }> {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  await a.db.object('farms').put('before', 0)
  await a.db.synced({ peers: 1 })
  const main = join(b.directory, 'repo.git/refs/heads/main')
  return { a, b, paths: { packs: join(b.directory, 'repo.git/objects/pack'), lock: `${main}.lock`, main } }
}

test('the ref of a commit that continues main is ready when its pack is durable, and nobody sees it sooner', async () => {
  const { a, b, paths } = await pair()
  const { main } = await b.db.status()
  const told: string[] = []
  b.db.object('farms').subscribe(({ id }) => told.push(id))
  const { release } = holdSyncsOf(paths.packs)
  await a.db.object('farms').put('north', 1)
  await a.db.flush()
  await vi.waitFor(() => expect(disk.done).toContain(`sync ${paths.lock}`))
  expect(told).toEqual([])
  expect(await b.db.object('farms').get('north')).toBeUndefined()
  expect((await b.db.status()).main).toBe(main)
  release()
  await eventually(async () => expect(await b.db.object('farms').get('north')).toBe(1))
  expect(told).toEqual(['north'])
  const durable = disk.done.indexOf(`sync ${paths.packs}`)
  expect(disk.done.indexOf(`sync ${paths.lock}`)).toBeLessThan(durable)
  expect(disk.done.indexOf(`rename ${paths.main}`)).toBeGreaterThan(durable)
})

test('a ref that was made ready for a pack that cannot be kept is left as it was', async () => {
  const { a, b, paths } = await pair()
  const { main } = await b.db.status()
  const { release } = holdSyncsOf(paths.packs)
  await a.db.object('farms').put('north', 1)
  await a.db.flush()
  await vi.waitFor(() => expect(disk.done).toContain(`sync ${paths.lock}`))
  release(Object.assign(new Error('EIO: injected'), { code: 'EIO', errno: -5 }))
  await eventually(async () => expect(await b.db.status()).toMatchObject({ state: 'degraded', main }))
  expect(await b.db.object('farms').get('north')).toBeUndefined()
  expect(existsSync(paths.lock)).toBe(false)
  await expect(b.db.object('farms').put('south', 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
})

test('a commit that does not continue main, since something was written here, is merged once it is durable', async () => {
  const { a, b, paths } = await pair()
  await b.db.object('farms').put('own', 2)
  const { release } = holdSyncsOf(paths.packs)
  await a.db.object('farms').put('north', 1)
  await a.db.flush()
  release()
  await eventually(async () => expect(await b.db.object('farms').get('north')).toBe(1))
  await eventually(async () => expect((await a.db.status()).main).toBe((await b.db.status()).main))
  expect(await a.db.object('farms').get('own')).toBe(2)
})
