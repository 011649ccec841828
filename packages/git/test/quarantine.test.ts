import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { deflateSync } from 'node:zlib'
import { MAX_OBJECT_BYTES, type CommitId, type ObjectId } from '@atolldb/core'
import { encodePack, encodeTree, hashObject, packLimits, type RawObject, type Repository } from '@atolldb/git'
import { MemoryObjectStore } from '@atolldb/testkit'
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  chunked,
  commitOf,
  fsck,
  git,
  openRepository,
  rawEntry,
  rawPack,
  sealPack,
  temporaryDirectory,
  writeSample,
} from './fixtures.ts'

const refused = (reason?: RegExp): unknown =>
  expect.objectContaining({
    code: 'REFUSED',
    ...(reason ? { data: { reason: expect.stringMatching(reason) as string } } : {}),
  }) as unknown

async function openNew(): Promise<Repository> {
  return openRepository(join(temporaryDirectory(), 'repo.git'), { create: true })
}

function sample(seed = 'a'): {
  objects: RawObject[]
  commit: CommitId
  tree: ObjectId
  blobs: { id: ObjectId; bytes: Buffer }[]
} {
  const store = new MemoryObjectStore()
  const written = writeSample(store, seed)
  return { ...written, objects: [...store.objects()].slice(1).map(({ type, bytes }) => ({ type, bytes })) }
}

async function packOf(objects: readonly RawObject[], options = {}): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of encodePack(objects, objects.length, options)) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const objectFiles = (repository: Repository): string[] =>
  readdirSync(join(repository.directory, 'objects'), { recursive: true, encoding: 'utf8' }).sort()

describe('a pack in quarantine', () => {
  it.each([
    ['stored', {}, 1000],
    ['stored, byte by byte', {}, 1],
    ['deflated', { deflateFromBytes: 0 }, 77],
    ['in one chunk', { deflateFromBytes: 100 }, 1e9],
  ])('is readable, %s, and then adopted', async (_what, options, chunkBytes) => {
    const repository = await openNew()
    const { objects, commit, tree, blobs } = sample()
    const before = objectFiles(repository)
    const pack = await repository.receivePack(chunked(await packOf(objects, options), chunkBytes))
    expect(pack.objectCount).toBe(objects.length)
    expect([...pack.objects()].map(({ id }) => id)).toEqual(objects.map(({ type, bytes }) => hashObject(type, bytes)))
    expect([...pack.objects()].map(({ sizeBytes }) => sizeBytes)).toEqual(objects.map(({ bytes }) => bytes.length))
    expect(pack.commits()).toEqual([commit])
    const check = async (reader: Pick<Repository, 'readCommit' | 'readTree' | 'readBlob' | 'has'>): Promise<void> => {
      expect((await reader.readCommit(commit)).tree).toBe(tree)
      expect(await reader.readTree(tree)).toHaveLength(2)
      for (const { id, bytes } of blobs) expect(Buffer.compare(await reader.readBlob(id), bytes)).toBe(0)
      expect(await reader.has('f'.repeat(40) as ObjectId)).toBe(false)
      await expect(reader.readBlob(tree)).rejects.toEqual(expect.objectContaining({ code: 'MISSING' }))
    }
    await check(pack)
    expect(await repository.has(commit)).toBe(false)
    await pack.adopt()
    await check(pack)
    await check(repository)
    expect(objectFiles(repository)).toEqual(
      [...before, `pack/pack-${pack.name}.idx`, `pack/pack-${pack.name}.pack`].sort(),
    )
    await repository.updateRef('refs/heads/main', commit, undefined)
    expect(fsck(repository.directory)).toBe('')
    await pack.discard()
    expect(await repository.has(commit)).toBe(true)
  })

  it.each([
    ['a small one stays in memory', { deflateFromBytes: 0 }, false],
    ['a larger one is in a file', {}, true],
  ])('goes without a trace when it is discarded: %s', async (_what, options, isFile) => {
    const repository = await openNew()
    const before = objectFiles(repository)
    const pack = await repository.receivePack(chunked(await packOf(sample().objects, options)))
    expect(objectFiles(repository).length > before.length).toBe(isFile)
    await pack.discard()
    await pack.discard()
    expect(objectFiles(repository)).toEqual(before)
  })

  it.each([{}, { deflateFromBytes: 0 }])('is left as it is where one of that name is there %o', async options => {
    const repository = await openNew()
    const bytes = await packOf(sample().objects, options)
    const first = await repository.receivePack(chunked(bytes))
    const second = await repository.receivePack(chunked(bytes))
    await first.adopt()
    const path = join(repository.directory, 'objects/pack', `pack-${first.name}.pack`)
    const { ino } = statSync(path)
    await second.adopt()
    expect(statSync(path).ino).toBe(ino)
    expect(readFileSync(path).equals(bytes)).toBe(true)
    expect(repository.packCount).toBe(1)
  })

  it('passes the errors of its source on and leaves nothing', async () => {
    const repository = await openNew()
    const before = objectFiles(repository)
    const bytes = await packOf(sample().objects)
    async function* broken(): AsyncGenerator<Uint8Array> {
      yield bytes.subarray(0, 100)
      throw new Error('the line is dead')
    }
    await expect(repository.receivePack(broken())).rejects.toThrow('the line is dead')
    expect(objectFiles(repository)).toEqual(before)
  })

  it('ends its source at the first violation', async () => {
    const repository = await openNew()
    let ended = false
    async function* endless(): AsyncGenerator<Uint8Array> {
      try {
        yield Buffer.from('PACK\0\0\0\x02\0\0\0\x01', 'latin1')
        for (;;) yield Buffer.alloc(1000)
      } finally {
        ended = true
      }
    }
    await expect(repository.receivePack(endless())).rejects.toEqual(refused())
    await setImmediate()
    expect(ended).toBe(true)
  })

  it('copies what it is handed, since the source may use its buffer again', async () => {
    const repository = await openNew()
    const { objects, commit } = sample()
    const bytes = await packOf(objects)
    async function* reusing(): AsyncGenerator<Uint8Array> {
      const buffer = Buffer.alloc(333)
      for (let at = 0; at < bytes.length; at += buffer.length) {
        yield buffer.subarray(0, bytes.copy(buffer, 0, at))
        buffer.fill(0xee)
      }
    }
    const pack = await repository.receivePack(reusing())
    expect(pack.commits()).toEqual([commit])
  })

  it('lets the loop turn while it works', async () => {
    const repository = await openNew()
    const bytes = await packOf(
      Array.from({ length: 20_000 }, (_none, i) => ({
        type: 'blob',
        bytes: Buffer.from(`object ${i} ${'x'.repeat(1000)}`),
      })),
      { deflateFromBytes: 0 },
    )
    let longest = 0
    const started = performance.now()
    let last = started
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 1)
    const pack = await repository.receivePack(chunked(bytes, 1e9))
    clearInterval(timer)
    expect(pack.objectCount).toBe(20_000)
    // A share of the whole, since the machine may be busy.
    expect(longest).toBeLessThan((performance.now() - started) / 2)
  })
})

const blob = (text: string): { kind: number; content: Buffer } => ({ kind: 3, content: Buffer.from(text) })
const valid = rawPack([blob('a'), blob('b')])
const ofsDelta = (base: readonly number[]): Buffer =>
  rawEntry({ kind: 6, content: Buffer.of(1, 1, 1, 97), base: Buffer.from(base) })
const tree = (name: string): Buffer => Buffer.concat([Buffer.from(`100644 ${name}\0`), Buffer.alloc(20, 1)])
const wrongAdler = deflateSync(Buffer.from('a'))
wrongAdler[wrongAdler.length - 1]! ^= 1
const storedWrongAdler = Buffer.concat([Buffer.of(0x78, 1, 1, 1, 0, 0xfe, 0xff, 97), Buffer.of(0, 98, 0, 99)])
const emptyBlocks = Buffer.concat([
  Buffer.of(0x78, 1),
  ...Array<Buffer>(5000).fill(Buffer.of(0, 0, 0, 0xff, 0xff)),
  Buffer.of(1, 1, 0, 0xfe, 0xff, 97, 0, 98, 0, 98),
])

describe('a pack is refused', () => {
  it.each<[string, Buffer, RegExp]>([
    ['nothing at all', Buffer.alloc(0), /not a pack/],
    ['another magic', sealPack(Buffer.from('PUCK\0\0\0\x02\0\0\0\0', 'latin1')), /not a pack/],
    ['version 3', sealPack(Buffer.from('PACK\0\0\0\x03\0\0\0\0', 'latin1')), /not a pack/],
    ['no objects', rawPack([]), /no objects/],
    ['more objects than allowed', rawPack([blob('a')], 0xffffffff), /4294967295 objects/],
    ['fewer objects than declared', rawPack([blob('a')], 2), /./],
    ['more objects than declared', rawPack([blob('a'), blob('b')], 1), /bytes after|checksum/],
    ['bytes after it', Buffer.concat([valid, Buffer.of(0)]), /bytes after/],
    ['a second pack after it', Buffer.concat([valid, valid]), /bytes after/],
    ['a forged trailer', Buffer.concat([valid.subarray(0, -20), Buffer.alloc(20, 7)]), /checksum/],
    ['a doubled object', rawPack([blob('a'), blob('b'), blob('a')]), /twice/],
    ['a delta of offset 0', rawPack([blob('a'), ofsDelta([0])]), /delta/],
    ['a delta of its own', rawPack([blob('a'), ofsDelta([10])]), /delta/],
    ['a delta by id', rawPack([{ kind: 7, content: Buffer.of(1, 1, 1, 97), base: Buffer.alloc(20) }]), /delta/],
    ['a tag', rawPack([{ kind: 4, content: Buffer.from('object') }]), /kind 4/],
    ['kind 0', rawPack([{ kind: 0, content: Buffer.from('a') }]), /kind 0/],
    ['kind 5', rawPack([{ kind: 5, content: Buffer.from('a') }]), /kind 5/],
    ['a size beyond the limit', rawPack([{ ...blob('a'), size: MAX_OBJECT_BYTES + 1 }]), /a blob of/],
    ['a size beyond 2^53', rawPack([Buffer.from([0xbf, ...Array<number>(20).fill(0xff), 1])]), /size/],
    ['a commit beyond its limit', rawPack([{ kind: 1, content: Buffer.alloc(70_000) }]), /a commit of/],
    ['a bomb', rawPack([{ ...blob('a'), stream: deflateSync(Buffer.alloc(50_000_000)) }]), /larger than it declares/],
    ['an object larger than declared', rawPack([{ ...blob('abc'), size: 2 }]), /larger/],
    ['an object smaller than declared', rawPack([{ ...blob('abc'), size: 4 }]), /smaller/],
    ['an empty object declared larger', rawPack([{ ...blob(''), size: 1 }]), /smaller/],
    ['an object declared empty', rawPack([{ ...blob('a'), size: 0 }]), /larger|smaller/],
    ['a wrong Adler-32', rawPack([{ ...blob('a'), stream: wrongAdler }]), /damaged/],
    ['a wrong Adler-32 of a stored block', rawPack([{ ...blob('a'), stream: storedWrongAdler }]), /damaged/],
    ['endless empty blocks', rawPack([{ ...blob('a'), stream: emptyBlocks }]), /damaged/],
    ['rubbish for a stream', rawPack([{ ...blob('a'), stream: randomBytes(40).fill(0xff, 0, 2) }]), /damaged/],
    [
      'a preset dictionary',
      rawPack([{ ...blob('a'), stream: deflateSync(Buffer.from('a'), { dictionary: Buffer.from('a') }) }]),
      /damaged/,
    ],
    ['a tree with .git', rawPack([{ kind: 2, content: tree('.git') }]), /guards/],
    ['a tree with twins', rawPack([{ kind: 2, content: Buffer.concat([tree('a'), tree('a')]) }]), /one name/],
    ['a malformed commit', rawPack([{ kind: 1, content: Buffer.from('tree x\n\n') }]), /commit/],
  ])('with %s', async (_what, bytes, reason) => {
    const repository = await openNew()
    const before = objectFiles(repository)
    await expect(repository.receivePack(chunked(bytes))).rejects.toEqual(refused(reason))
    expect(objectFiles(repository)).toEqual(before)
  })

  it('with a stream that is padded without end, though all of it is there', async () => {
    const repository = await openNew()
    const bytes = rawPack([{ ...blob('a'), stream: emptyBlocks }])
    await expect(repository.receivePack(chunked(bytes, 1e9))).rejects.toEqual(refused(/damaged/))
  })

  it('beyond limits of the caller', async () => {
    const repository = await openNew()
    const receive = (limits: object): Promise<unknown> =>
      repository.receivePack(chunked(valid, 5), { ...packLimits, ...limits })
    await expect(receive({ packBytes: valid.length - 1 })).rejects.toEqual(refused(/larger than allowed/))
    await expect(receive({ objects: 1 })).rejects.toEqual(refused(/2 objects/))
    await expect(receive({ objectBytes: 0 })).rejects.toEqual(refused(/a blob of 1/))
    await expect(receive({ inflatedBytes: 1 })).rejects.toEqual(refused(/inflates to more/))
    await receive({ packBytes: valid.length, objects: 2, objectBytes: 1, inflatedBytes: 2 })
  })

  it('cut at any byte', async () => {
    const repository = await openNew()
    const bytes = await packOf([...sample().objects.slice(0, 2), { type: 'tree', bytes: encodeTree([]) }])
    for (let length = 0; length < bytes.length; length++)
      await expect(repository.receivePack(chunked(bytes.subarray(0, length)))).rejects.toEqual(refused())
  })

  it('whichever byte changes, checksum mended or not', async () => {
    const repository = await openNew()
    const commit = { type: 'commit' as const, bytes: Buffer.from('') }
    const store = new MemoryObjectStore()
    store.writeCommit(commitOf(store.writeTree([{ name: 'a', type: 'blob', id: store.writeBlob(Buffer.from('a')) }])))
    const objects = [...store.objects()].slice(1)
    expect(objects.at(-1)!.type).toBe(commit.type)
    for (const options of [{}, { deflateFromBytes: 0 }]) {
      const bytes = await packOf(objects, options)
      await fc.assert(
        fc.asyncProperty(
          fc.nat(bytes.length - 1),
          fc.integer({ min: 1, max: 255 }),
          fc.boolean(),
          async (at, flip, mend) => {
            const changed = Buffer.from(bytes)
            changed[at]! ^= flip
            const handed = mend ? sealPack(changed.subarray(0, -20)) : changed
            try {
              const pack = await repository.receivePack(chunked(handed, 50))
              // Another valid pack: then git finds it valid too.
              expect(mend).toBe(true)
              git(repository.directory, ['index-pack', '--stdin', '--strict'], handed)
              await pack.discard()
            } catch (error) {
              if (!mend || (error as { code?: string }).code !== undefined) expect(error).toEqual(refused())
              else throw error
            }
          },
        ),
        { numRuns: 150 },
      )
    }
  })
})

it('reads the packs of stock git without deltas', async () => {
  const repository = await openNew()
  const source = await openNew()
  const stage = source.stage()
  const { commit } = writeSample(stage, 'x')
  await stage.commit()
  await source.updateRef('refs/heads/main', commit, undefined)
  const bytes = execFileSync('git', ['-C', source.directory, 'pack-objects', '--stdout', '--all', '--depth=0', '-q'], {
    input: '',
  })
  const pack = await repository.receivePack(chunked(bytes, 100))
  expect(pack.commits()).toEqual([commit])
  expect(existsSync(join(repository.directory, 'objects'))).toBe(true)
})
