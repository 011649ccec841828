import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import type * as FsPromises from 'node:fs/promises'
import { join } from 'node:path'
import type { CommitId } from '@atolldb/core'
import {
  encodePack,
  makeDirectoryDurably,
  removeDurably,
  Repository,
  translateSystemError,
  writeFileDurably,
  type RawObject,
} from '@atolldb/git'
import { MemoryObjectStore } from '@atolldb/testkit'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { chunked, fsck, openRepository, temporaryDirectory, writeSample } from './fixtures.ts'
import { VersionHistory } from './version-history.ts'

/** Lets so many operations through that change the disk; the next fails, and all after it. */
const disk = vi.hoisted(() => {
  const state = { left: Infinity, errorCode: 'EIO', failOn: undefined as string | undefined, log: [] as string[] }
  const syncedPaths: string[] = []
  return {
    state,
    syncedPaths,
    step(operation: string): void {
      state.log.push(operation)
      const hit = state.failOn === undefined ? state.left-- <= 0 : state.failOn === operation
      if (hit) throw Object.assign(new Error(`${state.errorCode}: ${operation}`), { code: state.errorCode, errno: -5 })
    },
  }
})

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof FsPromises>()
  const changing =
    <Arguments extends unknown[], Result>(operation: string, call: (...args: Arguments) => Promise<Result>) =>
    async (...args: Arguments): Promise<Result> => {
      disk.step(operation)
      return call(...args)
    }
  return {
    ...real,
    rename: changing('rename', real.rename),
    unlink: changing('unlink', real.unlink),
    rm: changing('rm', real.rm as (path: string) => Promise<void>),
    mkdir: changing('mkdir', real.mkdir as (path: string) => Promise<string | undefined>),
    open: async (path: string, flags: string, mode?: number) => {
      if (flags !== 'r') disk.step('create')
      const handle = await real.open(path, flags, mode)
      const write = handle.write.bind(handle) as (...args: unknown[]) => Promise<unknown>
      const syncNow = handle.sync.bind(handle)
      const sync = async (): Promise<void> => {
        await syncNow()
        disk.syncedPaths.push(path)
      }
      return Object.assign(handle, { write: changing('write', write), sync: changing('sync', sync) })
    },
  }
})

function plug(): void {
  disk.state.left = Infinity
  disk.state.failOn = undefined
  disk.state.errorCode = 'EIO'
  disk.state.log = []
}
afterEach(plug)

/** Git is content, and would be at any instant before: no index is there before its pack. */
function expectContentGit(directory: string): void {
  expect(fsck(directory)).toBe('')
  const files = readdirSync(join(directory, 'objects/pack'))
  for (const file of files) if (file.endsWith('.idx')) expect(files).toContain(file.replace('.idx', '.pack'))
}

/** Runs it with the plug pulled after 0, 1, 2… steps, until it gets through. Checks after each. */
async function pullPlugAtEveryStep(
  prepare: () => Promise<{ run: () => Promise<unknown>; check: (done: boolean) => Promise<void> }>,
): Promise<number> {
  for (let steps = 0; ; steps++) {
    const { run, check } = await prepare()
    disk.state.left = steps
    const error: unknown = await run().then(
      () => undefined,
      (reason: unknown) => reason,
    )
    plug()
    await check(error === undefined)
    if (error === undefined) return steps
    expect(error).toEqual(expect.objectContaining({ code: 'STORAGE_FAILED' }))
  }
}

async function openWithMain(): Promise<{ repository: Repository; main: CommitId }> {
  const repository = await openRepository(join(temporaryDirectory(), 'repo.git'), { create: true })
  const stage = repository.stage()
  const { commit } = writeSample(stage, 'old', 2)
  await stage.commit()
  await repository.updateRef('refs/heads/main', commit, undefined)
  return { repository, main: commit }
}

describe('after a crash at any step', () => {
  it('of writing a file, it is the old one or the new one', async () => {
    const steps = await pullPlugAtEveryStep(async () => {
      const path = join(temporaryDirectory(), 'file')
      writeFileSync(path, 'old')
      return {
        run: () => writeFileDurably(path, Buffer.from('new'), { mode: 0o600 }),
        check: async done => {
          expect(done ? ['new'] : ['old', 'new']).toContain(readFileSync(path, 'utf8'))
          if (done) expect(statSync(path).mode & 0o777).toBe(0o600)
        },
      }
    })
    // create, write, sync, rename, sync of the directory
    expect(steps).toBe(5)
  })

  it('of a rename that was not synced, the name is made durable by who opens the repository', async () => {
    const { repository } = await openWithMain()
    const { directory } = repository
    await repository.close()
    disk.syncedPaths.length = 0
    await (await Repository.open(directory)).close()
    const named = ['', 'objects/pack', 'refs', 'refs/heads'].map(part => join(directory, part))
    expect(disk.syncedPaths.toSorted()).toEqual(expect.arrayContaining(named.map(path => path.replace(/\/$/, ''))))
  })

  it('of creating a repository, the next creation mends it', async () => {
    await pullPlugAtEveryStep(async () => {
      const directory = join(temporaryDirectory(), 'a', 'repo.git')
      return {
        run: async () => (await Repository.open(directory, { create: true })).close(),
        check: async () => {
          await (await Repository.open(directory, { create: true })).close()
          expect(fsck(directory)).toBe('')
        },
      }
    })
  })

  it('of a seal, git is content and main is the old one or the new one, whole', async () => {
    const steps = await pullPlugAtEveryStep(async () => {
      const { repository, main } = await openWithMain()
      const stage = repository.stage()
      const { commit } = writeSample(stage, 'new', 2, [main])
      return {
        run: () => repository.updateRef('refs/heads/main', commit, main, stage.commit()),
        check: async done => {
          expectContentGit(repository.directory)
          const again = await openRepository(repository.directory)
          const head = (await again.readRef('refs/heads/main')) as CommitId
          expect(done ? [commit] : [main, commit]).toContain(head)
          await again.readTree((await again.readCommit(head)).tree)
          const pack = readdirSync(join(repository.directory, 'objects/pack'))
          expect(pack.filter(name => name.startsWith('tmp_'))).toEqual([])
          expect(existsSync(join(repository.directory, 'refs/heads/main.lock'))).toBe(false)
          // The seal can be done again.
          const retry = again.stage()
          expect(writeSample(retry, 'new', 2, [main]).commit).toBe(commit)
          await retry.commit()
          await again.updateRef('refs/heads/main', commit, head)
          expectContentGit(repository.directory)
        },
      }
    })
    expect(steps).toBeGreaterThan(10)
  })

  it.each([
    ['in a file', {}],
    ['in memory', { deflateFromBytes: 0 }],
  ])('of adopting a pack %s, git is content and it can be fetched again', async (_where, options) => {
    const store = new MemoryObjectStore()
    const { commit } = writeSample(store, 'new', 2)
    const objects: RawObject[] = [...store.objects()].slice(1)
    const receive = (repository: Repository) =>
      repository.receivePack(
        (async function* () {
          for await (const chunk of encodePack(objects, objects.length, options)) yield* chunked(chunk)
        })(),
      )
    await pullPlugAtEveryStep(async () => {
      const { repository, main } = await openWithMain()
      const pack = await receive(repository)
      return {
        run: async () => {
          await pack.adopt()
          await repository.updateRef('refs/heads/main', commit, main)
        },
        check: async done => {
          await pack.discard()
          expectContentGit(repository.directory)
          const again = await openRepository(repository.directory)
          expect(done ? [commit] : [main, commit]).toContain(await again.readRef('refs/heads/main'))
          const left = readdirSync(join(repository.directory, 'objects'))
          expect(left.filter(name => name.startsWith('quarantine-'))).toEqual([])
          await (await receive(again)).adopt()
          expect(await again.has(commit)).toBe(true)
          expectContentGit(repository.directory)
        },
      }
    })
  })

  it('of compaction, git is content and every object is there', async () => {
    const steps = await pullPlugAtEveryStep(async () => {
      const repository = await openRepository(join(temporaryDirectory(), 'repo.git'), { create: true })
      const history = new VersionHistory(repository)
      await history.grow(3)
      return {
        run: () => repository.compact({ all: true }),
        check: async done => {
          expectContentGit(repository.directory)
          for (const id of history.objects) await repository.readObject(id)
          const again = await openRepository(repository.directory)
          for (const id of history.objects) await again.readObject(id)
          if (done) expect(again.packCount).toBe(1)
          // It can be done again, by whoever failed and after a restart.
          await repository.compact({ all: true })
          await again.compact({ all: true })
          for (const id of history.objects) await again.readObject(id)
          expect(again.packCount).toBe(1)
          expectContentGit(repository.directory)
        },
      }
    })
    // Both files, their names, the old packs: nothing of it may have been overlooked here.
    expect(steps).toBeGreaterThanOrEqual(14)
  }, 120_000)

  it('of deleting a packed ref, it is there or not', async () => {
    await pullPlugAtEveryStep(async () => {
      const { repository, main } = await openWithMain()
      const { directory } = repository
      writeFileSync(
        join(directory, 'packed-refs'),
        `# pack-refs with: peeled fully-peeled sorted \n${main} refs/heads/x\n`,
      )
      return {
        run: () => repository.deleteRef('refs/heads/x', main),
        check: async done => {
          const again = await openRepository(directory)
          expect(done ? [undefined] : [undefined, main]).toContain(await again.readRef('refs/heads/x'))
          expect(fsck(directory)).toBe('')
        },
      }
    })
  })
})

describe('a full disk', () => {
  it('fails the seal and nothing else, and the seal goes through once there is room', async () => {
    const { repository, main } = await openWithMain()
    const stage = repository.stage()
    const { commit } = writeSample(stage, 'new', 2, [main])
    disk.state.errorCode = 'ENOSPC'
    for (const operation of ['create', 'write', 'sync', 'rename']) {
      disk.state.failOn = operation
      await expect(stage.commit()).rejects.toEqual(expect.objectContaining({ code: 'STORAGE_FULL' }))
      disk.state.failOn = undefined
      expectContentGit(repository.directory)
      expect((await repository.readCommit(main)).parents).toEqual([])
      const pack = readdirSync(join(repository.directory, 'objects/pack'))
      expect(pack.filter(file => file.startsWith('tmp_'))).toEqual([])
    }
    disk.state.failOn = 'write'
    await expect(repository.updateRef('refs/heads/main', main, main)).rejects.toEqual(
      expect.objectContaining({ code: 'STORAGE_FULL' }),
    )
    disk.state.failOn = undefined
    await stage.commit()
    await repository.updateRef('refs/heads/main', commit, main)
    expectContentGit(repository.directory)
  })

  it('in the middle of a fetch leaves nothing', async () => {
    const { repository } = await openWithMain()
    const before = readdirSync(join(repository.directory, 'objects'))
    disk.state.errorCode = 'ENOSPC'
    disk.state.failOn = 'write'
    const bytes = { type: 'blob' as const, bytes: Buffer.alloc(200_000) }
    await expect(repository.receivePack(encodePack([bytes], 1))).rejects.toEqual(
      expect.objectContaining({ code: 'STORAGE_FULL' }),
    )
    expect(readdirSync(join(repository.directory, 'objects'))).toEqual(before)
  })
})

describe('files', () => {
  it('tell what kind of failure it was', async () => {
    const system = (code: string): Error => Object.assign(new Error(code), { code, errno: -1 })
    const codes = { ENOSPC: 'STORAGE_FULL', EDQUOT: 'STORAGE_FULL', EIO: 'STORAGE_FAILED', EMFILE: 'NOT_ACCESSIBLE' }
    const access = {
      EACCES: 'NOT_ACCESSIBLE',
      EPERM: 'NOT_ACCESSIBLE',
      ENOTDIR: 'NOT_ACCESSIBLE',
      EROFS: 'NOT_ACCESSIBLE',
    }
    for (const [from, to] of Object.entries({ ...codes, ...access }))
      expect(translateSystemError(system(from), '/x')).toEqual(expect.objectContaining({ code: to }))
    const other = new Error('a bug')
    expect(translateSystemError(other, '/x')).toBe(other)
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'file'), '')
    for (const path of [join(directory, 'file'), join(directory, 'file', 'below')])
      await expect(makeDirectoryDurably(path)).rejects.toEqual(expect.objectContaining({ code: 'NOT_ACCESSIBLE' }))
    await expect(writeFileDurably(directory, Buffer.alloc(1))).rejects.toEqual(
      expect.objectContaining({ code: 'NOT_ACCESSIBLE' }),
    )
    expect(readdirSync(directory)).toEqual(['file'])
  })

  it('are removed with all below, and absent ones without an error', async () => {
    const directory = temporaryDirectory()
    await makeDirectoryDurably(join(directory, 'a/b/c'))
    await makeDirectoryDurably(join(directory, 'a/b/c'))
    await removeDurably(join(directory, 'a'))
    await removeDurably(join(directory, 'a'))
    await removeDurably(join(directory, 'x/y'))
    expect(readdirSync(directory)).toEqual([])
    rmSync(directory, { recursive: true })
  })

  it('fail for good when a sync fails', async () => {
    const path = join(temporaryDirectory(), 'file')
    disk.state.failOn = 'sync'
    await expect(writeFileDurably(path, Buffer.alloc(1))).rejects.toEqual(
      expect.objectContaining({ code: 'STORAGE_FAILED' }),
    )
    expect(existsSync(path)).toBe(false)
  })
})
