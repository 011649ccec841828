import type * as FsPromises from 'node:fs/promises'
import { execFileSync } from 'node:child_process'
import { existsSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { type Database, isAtollError, open } from '../src/index.ts'
import { Journal } from '../src/journal/journal.ts'
import { segmentPath } from '../src/journal/segments.ts'
import { append, clockOf, commitOf, putOf } from './entries.ts'
import { FaultyFiles } from './faulty-files.ts'
import { temporaryDirectory } from './temporary.ts'

/** A node on a disk that fails to write, to sync or to read, and in a process without a descriptor left: what is told, and what is kept. */

const disk = vi.hoisted(() => ({
  /** Of syncs: how many still work. */
  syncsLeft: Infinity,
  syncError: 'EIO',
  /** Of opens: how many still work. */
  opensLeft: Infinity,
  /** What the names of files that cannot be closed end with. */
  closesFail: 'none',
  writesFail: false,
  readsFail: false,
  /** What was removed, and what was synced, in order. */
  events: [] as string[],
}))

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof FsPromises>()
  const failing = (code: string): Error => Object.assign(new Error(`${code}: injected`), { code, errno: -1 })
  return {
    ...real,
    unlink: async (...args: Parameters<typeof real.unlink>) => {
      await real.unlink(...args)
      disk.events.push(`unlink ${String(args[0])}`)
    },
    open: async (...args: Parameters<typeof real.open>) => {
      if (disk.opensLeft-- <= 0) throw failing('EMFILE')
      const handle = await real.open(...args)
      const [sync, write, read] = [handle.sync.bind(handle), handle.write.bind(handle), handle.read.bind(handle)]
      const close = handle.close.bind(handle)
      return Object.assign(handle, {
        sync: async () => {
          if (disk.syncsLeft-- <= 0) throw failing(disk.syncError)
          await sync()
          disk.events.push(`sync ${String(args[0])}`)
        },
        write: async (...of: Parameters<typeof write>) => {
          if (disk.writesFail) throw failing('EIO')
          return write(...of)
        },
        close: async () => {
          await close()
          if (String(args[0]).endsWith(disk.closesFail)) throw failing('EIO')
        },
        read: async (...of: Parameters<typeof read>) => {
          if (disk.readsFail) throw failing('EIO')
          return read(...of)
        },
      })
    },
  }
})

function mend(): void {
  disk.syncsLeft = Infinity
  disk.syncError = 'EIO'
  disk.opensLeft = Infinity
  disk.closesFail = 'none'
  disk.writesFail = false
  disk.readsFail = false
  disk.events = []
}
afterEach(() => {
  mend()
  vi.restoreAllMocks()
})

async function filled(): Promise<{ directory: string; db: Database }> {
  const directory = join(temporaryDirectory(), 'data')
  const db = await open(directory, { seal: { maxDelayMs: 60_000 } })
  await db.object('farms').put('before', 1)
  await db.flush()
  return { directory, db }
}

function fsck(directory: string): void {
  execFileSync('git', ['-C', join(directory, 'repo.git'), 'fsck', '--strict', '--full'], { stdio: 'pipe' })
}

/** A seal syncs the pack, its index, their directory, the ref and the ref's directory. */
describe.each([0, 1, 2, 3, 4])('a sync that fails after %i others of a seal', syncs => {
  test('ends writing; what was acknowledged is there after a restart', async () => {
    const { directory, db } = await filled()
    const farms = db.object('farms')
    disk.syncsLeft = syncs
    await farms.put('north', 2)
    await expect(db.flush()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    // Once and for all, though the disk works again: nobody knows what the failed sync left behind.
    mend()
    await expect(farms.put('late', 3)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await expect(db.flush()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(await farms.get('north')).toBe(2)
    expect(await farms.get('late')).toBeUndefined()
    expect(await db.status()).toMatchObject({ state: 'degraded' })
    await db.close()
    fsck(directory)

    const again = await open(directory)
    expect(await again.object('farms').get('north')).toBe(2)
    expect(await again.object('farms').get('late')).toBeUndefined()
    await again.object('farms').put('late', 4)
    await again.flush()
    await again.close()
    fsck(directory)
  })
})

/** Nothing that such a sync was to keep is kept: it is written anew, into other files. Of a directory it is as bad as any. */
describe.each([
  [0, ['STORAGE_FULL']],
  // Files and the lock of the ref are synced side by side.
  [1, ['STORAGE_FULL', 'STORAGE_FAILED']],
  [2, ['STORAGE_FULL', 'STORAGE_FAILED']],
  [3, ['STORAGE_FULL', 'STORAGE_FAILED']],
  [4, ['STORAGE_FAILED']],
])('a sync that fails for want of room after %i others of a seal', (syncs, codes) => {
  test(`is ${codes.join(' or ')}, and trusted by nobody`, async () => {
    const { directory, db } = await filled()
    const packs = (): string[] => readdirSync(join(directory, 'repo.git/objects/pack')).sort()
    const before = packs()
    disk.syncsLeft = syncs
    disk.syncError = 'ENOSPC'
    await db.object('farms').put('north', 2)
    const failure: unknown = await db.flush().catch((error: unknown) => error)
    const code = isAtollError(failure) ? failure.code : 'none'
    expect(codes).toContain(code)
    if (syncs < 2) expect(packs()).toEqual(before)
    mend()
    const late = db.object('farms').put('late', 3)
    if (code === 'STORAGE_FAILED') await expect(late).rejects.toMatchObject({ code })
    else {
      await late
      await db.flush()
      expect(await (await db.at('main')).object('farms').getMany(['north', 'late'])).toEqual([2, 3])
    }
    await db.close()
    fsck(directory)
  })
})

test('settings that the disk fails to sync end writing too', async () => {
  const { db } = await filled()
  disk.syncsLeft = 0
  await expect(db.offline()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  mend()
  await expect(db.object('farms').put('late', 3)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect(await db.status()).toMatchObject({ state: 'degraded' })
  expect(await db.object('farms').get('before')).toBe(1)
  await db.close()
})

/** A merge syncs the pack, its index, their directory, and that again without the old packs. */
describe.each([0, 1, 2, 3])('a sync that fails after %i others of a merge of packs', syncs => {
  test('ends writing as that of a seal does; what was merged does not count', async () => {
    const { directory, db } = await filled()
    const farms = db.object('farms')
    await farms.put('north', 2)
    await db.flush()
    const packs = (): string[] => readdirSync(join(directory, 'repo.git/objects/pack')).sort()
    const before = packs()
    disk.syncsLeft = syncs
    await expect(db.compact()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    mend()
    if (syncs < 3) expect(packs()).toEqual(before)
    await expect(farms.put('late', 3)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await expect(db.compact()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(await db.status()).toMatchObject({ state: 'degraded' })
    expect(await farms.get('north')).toBe(2)
    await db.close()
    fsck(directory)

    const again = await open(directory)
    expect(await (await again.at('main')).object('farms').get('north')).toBe(2)
    expect(await again.compact()).toMatchObject({ packsAfter: 1 })
    await again.close()
    fsck(directory)
  })
})

test('a seal that the disk fails to write ends writing; what was acknowledged is there after a restart', async () => {
  const { directory, db } = await filled()
  await db.object('farms').put('north', 2)
  disk.writesFail = true
  await expect(db.flush()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect(await db.object('farms').get('north')).toBe(2)
  mend()
  await db.close()
  fsck(directory)
  const again = await open(directory)
  await again.flush()
  expect(await (await again.at('main')).object('farms').get('north')).toBe(2)
  await again.close()
  fsck(directory)
})

test('an append that the disk fails to write is not acknowledged and ends writing; reads go on', async () => {
  const files = new FaultyFiles()
  const openJournal = Journal.open.bind(Journal)
  vi.spyOn(Journal, 'open').mockImplementation((path, options) =>
    openJournal(path, { ...options, openFile: files.open }),
  )
  const { directory, db } = await filled()
  const farms = db.object('farms')
  files.fault = operation => (operation === 'write' ? { code: 'EIO', bytes: 7 } : undefined)
  await expect(farms.put('north', 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  files.fault = () => undefined
  await expect(farms.put('late', 3)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect(await farms.get('before')).toBe(1)
  expect(await farms.get('north')).toBeUndefined()
  await db.close()
  vi.restoreAllMocks()
  const again = await open(directory)
  expect(await again.object('farms').get('before')).toBe(1)
  expect(await again.object('farms').get('north')).toBeUndefined()
  await again.object('farms').put('late', 4)
  await again.close()
  fsck(directory)
})

test('a pack that the disk fails to read fails the read that needs it, with the file, and nothing else', async () => {
  const { directory, db } = await filled()
  // More than what is read of a pack at once, so that it has not been read by the way.
  const large = 'x'.repeat(900_000)
  await db.object('farms').put('large', large)
  const { commit } = await db.flush()
  await db.close()
  const again = await open(directory)
  const then = await again.at(commit)
  disk.readsFail = true
  await expect(then.object('farms').get('large')).rejects.toMatchObject({
    code: 'STORAGE_FAILED',
    data: { path: expect.stringContaining('.pack') },
  })
  expect(await again.object('farms').get('before')).toBe(1)
  mend()
  expect(await then.object('farms').get('large')).toBe(large)
  await again.object('farms').put('north', 2)
  await again.flush()
  await again.close()
  fsck(directory)
})

test('without a descriptor left a seal fails, and works again once there is one', async () => {
  const { directory, db } = await filled()
  disk.opensLeft = 0
  // The journal is open.
  await db.object('farms').put('north', 2)
  await expect(db.flush()).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
  expect(await db.object('farms').get('north')).toBe(2)
  mend()
  await db.object('farms').put('south', 3)
  await db.flush()
  expect(await (await db.at('main')).object('farms').get('north')).toBe(2)
  await db.close()
  fsck(directory)
})

test('wherever descriptors run out in a seal, it works again once there are some', async () => {
  const { directory, db } = await filled()
  const farms = db.object('farms')
  let opens = 0
  for (let isDone = false; !isDone; opens++) {
    await farms.put(`farm-${opens}`, opens)
    disk.opensLeft = opens
    isDone = await db.flush().then(
      () => true,
      () => false,
    )
    mend()
    await farms.put('after', opens)
    await db.flush()
    const sealed = (await db.at('main')).object('farms')
    expect([await sealed.get(`farm-${opens}`), await sealed.get('after')]).toEqual([opens, opens])
  }
  // Of the pack, its index, the lock of main and two directories.
  expect(opens).toBeGreaterThan(5)
  await db.close()
  fsck(directory)
})

test('wherever descriptors run out in a merge of packs, nothing of it is left behind, and it works again', async () => {
  const { directory, db } = await filled()
  await db.object('farms').put('north', 2)
  await db.flush()
  const unfinished = (): string[] =>
    readdirSync(join(directory, 'repo.git/objects/pack')).filter(name => name.startsWith('tmp_'))
  let opens = 0
  for (let isDone = false; !isDone; opens++) {
    disk.opensLeft = opens
    isDone = await db.compact().then(
      () => true,
      () => false,
    )
    mend()
    expect([opens, unfinished()]).toEqual([opens, []])
  }
  // Of the packs, what is made of them, and their directory.
  expect(opens).toBeGreaterThan(4)
  await db.close()
  fsck(directory)
})

test('a lock of main that cannot be closed is not left behind', async () => {
  const { directory, db } = await filled()
  await db.object('farms').put('north', 2)
  disk.closesFail = 'main.lock'
  await expect(db.flush()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
  expect(existsSync(join(directory, 'repo.git/refs/heads/main.lock'))).toBe(false)
  mend()
  await db.close()
})

/** One that came back would be the newest segment, and what went on in the one before it damage. */
describe('a segment of the journal that was not begun to its end', () => {
  test('is gone for good before the one before it goes on', async () => {
    const files = new FaultyFiles()
    files.fault = (operation, path) =>
      operation === 'write' && !path.endsWith('01.log') ? { code: 'ENOSPC', bytes: 3 } : undefined
    const directory = temporaryDirectory()
    const options = { durability: 'sync', onAbandon: () => undefined, openFile: files.open } as const
    const { journal } = await Journal.open(directory, { ...options, rotateBytes: 1 })
    await append(journal, commitOf(1), clockOf(1), [putOf('a', 1)])
    await journal.sealed(1, commitOf(1))
    expect(journal.failure).toBeUndefined()
    expect(disk.events.slice(-2)).toEqual([`unlink ${segmentPath(directory, 2)}`, `sync ${directory}`])
    await journal.close()
  })

  test('since the power went is gone for good before anything is written', async () => {
    const directory = temporaryDirectory()
    const options = { durability: 'sync', onAbandon: () => undefined } as const
    const { journal } = await Journal.open(directory, options)
    await append(journal, commitOf(1), clockOf(1), [putOf('a', 1)])
    await journal.close()
    writeFileSync(segmentPath(directory, 2), 'ATOLL')
    const again = await Journal.open(directory, options)
    // The open syncs the directory once more: what a killed process left in it.
    expect(disk.events.join('\n')).toContain(`unlink ${segmentPath(directory, 2)}\nsync ${directory}`)
    await again.journal.close()
  })
})
