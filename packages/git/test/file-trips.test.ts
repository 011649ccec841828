import { writeFileSync } from 'node:fs'
import type * as FsPromises from 'node:fs/promises'
import { basename, join } from 'node:path'
import { encodePack, type Repository } from '@atolldb/git'
import { MemoryObjectStore } from '@atolldb/testkit'
import { describe, expect, it, vi } from 'vitest'
import { chunked, commitOf, openRepository, temporaryDirectory } from './fixtures.ts'

/**
 * How often a commit has to wait for the file system, and in which order: a lone write on its way to another node waits for each of
 * these trips, on both nodes.
 */
const disk = vi.hoisted(() => ({ trips: [] as string[] }))

vi.mock('node:fs/promises', async importOriginal => {
  const real = await importOriginal<typeof FsPromises>()
  const noting =
    <Arguments extends unknown[], Result>(what: string, call: (...args: Arguments) => Promise<Result>) =>
    async (...args: Arguments): Promise<Result> => {
      disk.trips.push(typeof args[0] === 'string' ? `${what} ${nameOf(args[0])}` : what)
      return call(...args)
    }
  return {
    ...real,
    rename: noting('rename', real.rename),
    stat: noting('stat', real.stat as (path: string) => Promise<unknown>),
    readdir: noting('readdir', real.readdir as (path: string) => Promise<unknown>),
    readFile: noting('readFile', real.readFile as (path: string) => Promise<unknown>),
    open: async (path: string, flags: string, mode?: number) => {
      disk.trips.push(`open ${nameOf(path)}`)
      const handle = await real.open(path, flags, mode)
      const name = nameOf(path)
      const [read, sync, close] = [handle.read.bind(handle), handle.sync.bind(handle), handle.close.bind(handle)]
      return Object.assign(handle, {
        read: noting(`read ${name}`, read as (...args: unknown[]) => Promise<unknown>),
        sync: noting(`sync ${name}`, sync),
        close: noting(`close ${name}`, close),
      })
    },
  }
})

/** Without what differs from run to run. */
function nameOf(path: string): string {
  return basename(path).replaceAll(/[0-9a-f]{8,}/g, '*')
}

/** What is waited for meanwhile. */
async function tripsOf(work: () => Promise<unknown>): Promise<string[]> {
  disk.trips = []
  await work()
  return disk.trips
}

const value = Buffer.from('{"crop":"rye"}')

async function staged(): Promise<{ repository: Repository; directory: string }> {
  const directory = join(temporaryDirectory(), 'repo.git')
  return { directory, repository: await openRepository(directory, { create: true }) }
}

describe('what was just written', () => {
  it('of a seal is not read back, and is read without the disk', async () => {
    const { repository } = await staged()
    const stage = repository.stage()
    const blob = stage.writeBlob(value)
    const tree = stage.writeTree([{ name: 'north.json', type: 'blob', id: blob }])
    const commit = stage.writeCommit(commitOf(tree))
    const trips = await tripsOf(() => stage.commit())
    expect(trips.filter(trip => /^read|\.idx$/.test(trip)).sort()).toEqual(['stat pack-*.idx'])
    const later = await tripsOf(async () => {
      expect(await repository.readCommit(commit)).toEqual(commitOf(tree))
      expect(await repository.readTree(tree)).toHaveLength(1)
      expect(await repository.readBlob(blob)).toEqual(value)
    })
    expect(later).toEqual([])
  })

  it('of a pack from a peer is not read back, and is read without the disk', async () => {
    const source = new MemoryObjectStore()
    const blob = source.writeBlob(value)
    const tree = source.writeTree([{ name: 'north.json', type: 'blob', id: blob }])
    const commit = source.writeCommit(commitOf(tree))
    // Without the empty tree, which every store has.
    const objects = [...source.objects()].slice(1)
    const { repository } = await staged()
    const chunks: Uint8Array[] = []
    for await (const chunk of encodePack(objects, objects.length)) chunks.push(chunk)
    const pack = await repository.receivePack(chunked(Buffer.concat(chunks)))
    const trips = await tripsOf(() => pack.adopt())
    expect(trips.filter(trip => /^read|\.idx$/.test(trip)).sort()).toEqual(['stat pack-*.idx'])
    const later = await tripsOf(async () => {
      expect(await repository.readCommit(commit)).toEqual(commitOf(tree))
      expect(await repository.readBlob(blob)).toEqual(value)
    })
    expect(later).toEqual([])
  })

  it('does not hide what somebody else put there under the same name', async () => {
    const { repository, directory } = await staged()
    const write = async (of: Repository) => {
      const stage = of.stage()
      stage.writeBlob(value)
      return stage.commit()
    }
    const other = await staged()
    const name = (await write(other.repository))?.name
    writeFileSync(join(directory, `objects/pack/pack-${name}.idx`), 'no index')
    await expect(write(repository)).rejects.toMatchObject({ code: 'CORRUPT' })
  })
})

it('once the objects of a commit are durable, its ref waits for a rename and a sync only', async () => {
  const { repository } = await staged()
  const commits = [1, 2].map(number => {
    const stage = repository.stage()
    return { stage, id: stage.writeCommit(commitOf(stage.writeTree([]), [], `${number}\n`)) }
  })
  const [first, second] = commits
  await first!.stage.commit()
  await repository.updateRef('refs/heads/main', first!.id, undefined)
  let durable = (): void => undefined
  const objects = new Promise<void>(resolve => (durable = resolve))
  disk.trips = []
  const moved = repository.updateRef('refs/heads/main', second!.id, first!.id, objects)
  // The directory is opened last of all that can be done before.
  await vi.waitFor(() => expect(disk.trips.at(-1)).toBe('open heads'))
  expect(disk.trips).toContain('sync main.lock')
  expect(disk.trips).toContain('close main.lock')
  expect(disk.trips).not.toContain('rename main.lock')
  await second!.stage.commit()
  disk.trips = []
  durable()
  await moved
  expect(disk.trips).toEqual(['rename main.lock', 'sync heads', 'close heads'])
  expect(await repository.readRef('refs/heads/main')).toBe(second!.id)
})
