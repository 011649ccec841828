import { appendFileSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import * as fs from 'node:fs'
import { chmodSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { EMPTY_TREE, isAtollError, type CommitId, type ObjectId } from '@atolldb/core'
import { encodePack, hashObject, PackBuilder, Repository } from '@atolldb/git'
import isomorphicGit from 'isomorphic-git'
import { describe, expect, it } from 'vitest'
import { encodePackIndex } from '../src/packs/encode-pack-index.ts'
import { PackIndexBuilder } from '../src/packs/pack-index-builder.ts'
import {
  author,
  commitOf,
  fsck,
  git,
  openRepository,
  rawEntry,
  rawPack,
  temporaryDirectory,
  writeSample,
} from './fixtures.ts'

const unknown = 'f'.repeat(40) as ObjectId & CommitId
const code = (expected: string): unknown => expect.objectContaining({ code: expected }) as unknown

async function openNew(): Promise<Repository> {
  return openRepository(join(temporaryDirectory(), 'deep', 'repo.git'), { create: true })
}

/** A repository with three packs and `main`. */
async function openFilled() {
  const repository = await openNew()
  const samples = []
  let parents: CommitId[] = []
  for (const seed of ['a', 'b', 'c']) {
    const stage = repository.stage()
    const sample = writeSample(stage, seed, 20, parents)
    await stage.commit()
    await repository.updateRef('refs/heads/main', sample.commit, parents[0])
    parents = [sample.commit]
    samples.push(sample)
  }
  return { repository, directory: repository.directory, samples, main: parents[0]! }
}

async function expectAll(repository: Repository, samples: Awaited<ReturnType<typeof openFilled>>['samples']) {
  for (const { commit, tree, blobs } of samples) {
    expect((await repository.readCommit(commit)).tree).toBe(tree)
    expect((await repository.readTree(tree)).map(({ name }) => name)).toEqual(['b.json', 'b'])
    for (const { id, bytes } of blobs) expect(Buffer.compare(await repository.readBlob(id), bytes)).toBe(0)
  }
}

describe('a repository', () => {
  it('is opened only where one is, unless it is to be created', async () => {
    const directory = join(temporaryDirectory(), 'repo.git')
    await expect(Repository.open(directory)).rejects.toEqual(code('MISSING'))
    await (await Repository.open(directory, { create: true })).close()
    expect(fsck(directory)).toBe('')
    expect(git(directory, ['symbolic-ref', 'HEAD'])).toBe('refs/heads/main\n')
    await (await Repository.open(directory)).close()
  })

  it('mends a creation that was cut short', async () => {
    const directory = join(temporaryDirectory(), 'repo.git')
    await (await Repository.open(directory, { create: true })).close()
    rmSync(join(directory, 'HEAD'))
    rmSync(join(directory, 'objects', 'info'), { recursive: true })
    await (await Repository.open(directory, { create: true })).close()
    expect(fsck(directory)).toBe('')
  })

  it('refuses a file in its place and a newer format', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'file'), '')
    await expect(Repository.open(join(directory, 'file'), { create: true })).rejects.toEqual(code('NOT_ACCESSIBLE'))
    const repository = join(directory, 'repo.git')
    await (await Repository.open(repository, { create: true })).close()
    writeFileSync(join(repository, 'config'), '[core]\n\trepositoryformatversion = 1\n')
    await expect(Repository.open(repository)).rejects.toEqual(code('NEWER_FORMAT'))
  })

  it('holds what was staged, for itself, stock git and isomorphic-git', async () => {
    const { repository, directory, samples, main } = await openFilled()
    await expectAll(repository, samples)
    expect(fsck(directory)).toBe('')
    expect(git(directory, ['rev-list', '--count', 'main']).trim()).toBe('3')
    for (const file of readdirSync(join(directory, 'objects/pack')).filter(name => name.endsWith('.pack')))
      git(directory, [
        'index-pack',
        '--strict',
        '--fsck-objects',
        '-o',
        join(directory, 'x.idx'),
        `objects/pack/${file}`,
      ])
    const log = await isomorphicGit.log({ fs, gitdir: directory, ref: 'main' })
    expect(log.map(({ oid }) => oid)).toEqual(samples.map(({ commit }) => commit).toReversed())
    const { blob } = await isomorphicGit.readBlob({ fs, gitdir: directory, oid: main, filepath: 'b/file-20.json' })
    expect(Buffer.compare(blob, samples[2]!.blobs[20]!.bytes)).toBe(0)
    await repository.close()
    const again = await Repository.open(directory)
    await expectAll(again, samples)
    await again.close()
  })

  it('hands out small blobs that do not hold on to large windows', async () => {
    const { repository, samples } = await openFilled()
    const blob = await repository.readBlob(samples[0]!.blobs[0]!.id)
    expect(blob.buffer.byteLength).toBeLessThanOrEqual(Buffer.poolSize)
  })

  it('writes the same index as git index-pack', async () => {
    const { directory } = await openFilled()
    for (const file of readdirSync(join(directory, 'objects/pack')).filter(name => name.endsWith('.pack'))) {
      git(directory, ['index-pack', '-o', join(directory, 'theirs.idx'), `objects/pack/${file}`])
      const ours = readFileSync(join(directory, 'objects/pack', file.replace('.pack', '.idx')))
      expect(ours.equals(readFileSync(join(directory, 'theirs.idx')))).toBe(true)
      rmSync(join(directory, 'theirs.idx'))
    }
  })

  it('reads what stock git made of it: loose objects, repacked deltas, packed refs', async () => {
    const { repository, directory, samples, main } = await openFilled()
    const version = (n: number): Buffer =>
      Buffer.from(Array.from({ length: 900 }, (_none, i) => `line ${i === n ? n : 0}${i}\n`).join(''))
    const loose: { id: ObjectId; bytes: Buffer }[] = []
    for (let n = 0; n < 30; n++) {
      const id = git(directory, ['hash-object', '-w', '--stdin'], version(n)).trim() as ObjectId
      loose.push({ id, bytes: version(n) })
    }
    for (const { id, bytes } of loose) expect(Buffer.compare(await repository.readBlob(id), bytes)).toBe(0)
    const tree = git(
      directory,
      ['mktree'],
      Buffer.from(loose.map(({ id }, n) => `100644 blob ${id}\tf${n}\n`).join('')),
    ).trim()
    const commit = git(directory, ['commit-tree', tree, '-p', main, '-m', 'stock']).trim()
    git(directory, ['update-ref', 'refs/heads/main', commit])
    expect(await repository.readRef('refs/heads/main')).toBe(commit)

    git(directory, ['gc', '--quiet', '--aggressive', '--prune=now'])
    expect(git(directory, ['verify-pack', '-v', ...packs(directory)])).toMatch(/chain length = \d+/)
    await expectAll(repository, samples)
    for (const { id, bytes } of loose) expect(Buffer.compare(await repository.readBlob(id), bytes)).toBe(0)
    expect(await repository.readRef('refs/heads/main')).toBe(commit)
    expect(existsSync(join(directory, 'refs/heads/main'))).toBe(false)
    expect(repository.packCount).toBe(1)

    // Bases named by id instead of by distance.
    git(directory, ['-c', 'repack.useDeltaBaseOffset=false', 'repack', '-adfq', '--depth=250', '--window=50'])
    for (const { id, bytes } of loose) expect(Buffer.compare(await repository.readBlob(id), bytes)).toBe(0)
    await repository.updateRef('refs/heads/main', main, commit as ObjectId)
    expect(fsck(directory)).toBe('')
  })

  it('tells absent from damaged from closed', async () => {
    const { repository, directory, samples } = await openFilled()
    const { tree, blobs } = samples[0]!
    expect(await repository.has(unknown)).toBe(false)
    expect(await repository.has(tree)).toBe(true)
    await expect(repository.readBlob(unknown)).rejects.toEqual(code('MISSING'))
    await expect(repository.readTree(unknown)).rejects.toEqual(code('MISSING'))
    await expect(repository.readCommit(unknown)).rejects.toEqual(code('MISSING'))
    await expect(repository.readBlob(tree)).rejects.toEqual(code('MISSING'))
    expect(await repository.readTree(EMPTY_TREE)).toEqual([])
    const loose = join(directory, 'objects/ff', 'f'.repeat(38))
    mkdirSync(dirname(loose))
    writeFileSync(loose, 'rubbish')
    await expect(repository.readBlob(unknown)).rejects.toEqual(code('CORRUPT'))
    await repository.close()
    await expect(repository.readBlob(blobs[0]!.id)).rejects.toEqual(code('CLOSED'))
  })

  it.skipIf(process.getuid?.() === 0)('tells unreadable from absent', async () => {
    const { directory, samples } = await openFilled()
    for (const pack of packs(directory)) chmodSync(join(directory, pack), 0)
    const repository = await openRepository(directory)
    await expect(repository.readBlob(samples[0]!.blobs[0]!.id)).rejects.toEqual(code('NOT_ACCESSIBLE'))
  })

  it('never gives a wrong value, whichever bit of a pack or index flips', async () => {
    const repository = await openNew()
    const stage = repository.stage()
    const blob = stage.writeBlob(Buffer.from('content'))
    const commit = stage.writeCommit(commitOf(stage.writeTree([{ name: 'a', type: 'blob', id: blob }])))
    await stage.commit()
    await repository.close()
    const { directory } = repository
    for (const path of [...packs(directory), ...packs(directory).map(name => name.replace('.pack', '.idx'))]) {
      const file = join(directory, path)
      const original = readFileSync(file)
      chmodSync(file, 0o644)
      for (let at = 0; at < original.length; at++) {
        const changed = Buffer.from(original)
        changed[at]! ^= 1 << (at % 8)
        writeFileSync(file, changed)
        const problem = await readEverything(directory, commit, blob).catch((error: unknown) => error)
        // An index is summed up by its checksum; of a pack, objects, head and trailer are looked at. zlib ignores some bits.
        const frame = at < 12 || at >= original.length - 20
        if (path.endsWith('.idx') || frame) expect(problem, `byte ${at}`).toEqual(code('CORRUPT'))
        else if (problem !== 'content') expect(problem, `byte ${at}`).toEqual(code('CORRUPT'))
      }
      for (const length of [0, 1, original.length >> 1, original.length - 1]) {
        writeFileSync(file, original.subarray(0, length))
        expect(await readEverything(directory, commit, blob).catch((error: unknown) => error)).toEqual(code('CORRUPT'))
      }
      writeFileSync(file, original)
    }
    expect(await readEverything(directory, commit, blob)).toBe('content')
  })
})

async function readEverything(directory: string, commit: CommitId, blob: ObjectId): Promise<string> {
  const repository = await Repository.open(directory)
  try {
    const { tree } = await repository.readCommit(commit)
    expect(await repository.readTree(tree)).toEqual([{ name: 'a', type: 'blob', id: blob }])
    return Buffer.from(await repository.readBlob(blob)).toString()
  } finally {
    await repository.close()
  }
}

function packs(directory: string): string[] {
  return readdirSync(join(directory, 'objects/pack'))
    .filter(name => name.endsWith('.pack'))
    .map(name => `objects/pack/${name}`)
}

describe('a stage', () => {
  it('reads its own objects, then those of the readers, then those of the repository', async () => {
    const { repository, samples } = await openFilled()
    const reader = repository.stage()
    const other = writeSample(reader, 'other')
    const stage = repository.stage({ readers: [reader] })
    const own = writeSample(stage, 'own')
    for (const { commit, tree, blobs } of [...samples, other, own]) {
      expect(await stage.has(commit)).toBe(true)
      expect((await stage.readCommit(commit)).tree).toBe(tree)
      expect(await stage.readTree(tree)).toHaveLength(2)
      for (const { id, bytes } of blobs) expect(Buffer.compare(await stage.readBlob(id), bytes)).toBe(0)
    }
    expect(await stage.has(unknown)).toBe(false)
    await expect(stage.readBlob(unknown)).rejects.toEqual(code('MISSING'))
    await expect(stage.readBlob(own.tree)).rejects.toEqual(code('MISSING'))
    expect(await repository.has(own.commit)).toBe(false)
    const written = await stage.commit()
    expect(written?.objectCount).toBe(stage.objectCount)
    expect(await repository.has(own.commit)).toBe(true)
    expect(await repository.has(other.commit)).toBe(false)
  })

  it('writes nothing when nothing was staged, and the same pack once', async () => {
    const { repository, directory } = await openFilled()
    expect(await repository.stage().commit()).toBeUndefined()
    const before = readdirSync(join(directory, 'objects/pack'))
    const stage = repository.stage()
    writeSample(stage, 'a')
    writeSample(stage, 'a')
    await stage.commit()
    expect(readdirSync(join(directory, 'objects/pack'))).toEqual(before)
  })

  it('never loses an object between its own and those it takes for granted', async () => {
    const { repository, directory, samples } = await openFilled()
    // Unreachable now, and soon gone; but a stage writes it again.
    await repository.updateRef('refs/heads/main', samples[0]!.commit, samples[2]!.commit)
    await repository.readTree(samples[2]!.tree)
    const stage = repository.stage()
    const { commit } = writeSample(stage, 'c', 20, [samples[0]!.commit])
    git(directory, ['gc', '--quiet', '--prune=now'])
    await stage.commit()
    await repository.updateRef('refs/heads/main', commit, samples[0]!.commit)
    expect(fsck(directory)).toBe('')
  })
})

describe('a pack on disk that somebody made up', () => {
  const base = Buffer.from('the base')
  const baseId = hashObject('blob', base)
  const wanted = hashObject('blob', Buffer.from('the'))
  // Copies the first three bytes of a base of eight.
  const delta = Buffer.of(8, 3, 0x90, 3)
  const baseEntry = rawEntry({ kind: 3, content: base })
  const ofs = (distance: number, content = delta): Buffer => rawEntry({ kind: 6, content, base: Buffer.of(distance) })
  const ref = (id: string, content = delta): Buffer => rawEntry({ kind: 7, content, base: Buffer.from(id, 'hex') })

  async function readFrom(last: Buffer): Promise<string> {
    const { directory } = await openNew()
    const pack = rawPack([baseEntry, last])
    const index = new PackIndexBuilder()
    index.add(baseId, 12, 0)
    index.add(wanted, 12 + baseEntry.length, 0)
    writeFileSync(join(directory, 'objects/pack/pack-x.pack'), pack)
    writeFileSync(join(directory, 'objects/pack/pack-x.idx'), encodePackIndex(index.columns, pack.subarray(-20))!)
    const repository = await openRepository(directory)
    return Buffer.from(await repository.readBlob(wanted)).toString()
  }

  it('is read where it is right', async () => {
    expect(await readFrom(ofs(baseEntry.length))).toBe('the')
    expect(await readFrom(ref(baseId))).toBe('the')
    expect(await readFrom(ofs(baseEntry.length, Buffer.of(8, 3, 2, 0x74, 0x68, 0x91, 2, 1)))).toBe('the')
  })

  it.each<[string, Buffer, RegExp]>([
    ['a delta of distance 0', ofs(0), /not before it/],
    ['a delta beyond the start', ofs(127), /not before it/],
    ['a delta into the header', ofs(baseEntry.length + 5), /outside of the pack/],
    ['a delta of itself', ref(wanted), /too many deltas/],
    ['a delta of nothing', ref(unknown), /not in the pack/],
    ['a delta for another base', ofs(baseEntry.length, Buffer.of(9, 3, 0x90, 3)), /another base/],
    [
      'a delta with a result of 2 TiB',
      ofs(baseEntry.length, Buffer.of(8, 0x80, 0x80, 0x80, 0x80, 0x80, 0x40)),
      /too large/,
    ],
    ['a delta with an endless size', ofs(baseEntry.length, Buffer.alloc(40, 0xff)), /endless/],
    ['a delta that reads beyond its base', ofs(baseEntry.length, Buffer.of(8, 3, 0x91, 6, 3)), /bounds/],
    ['a delta that writes beyond its end', ofs(baseEntry.length, Buffer.of(8, 3, 0x90, 8)), /bounds/],
    ['a delta that ends early', ofs(baseEntry.length, Buffer.of(8, 3, 0x90, 2)), /ends early/],
    ['a delta with the reserved instruction', ofs(baseEntry.length, Buffer.of(8, 3, 0)), /bounds/],
    ['a truncated delta', ofs(baseEntry.length, Buffer.of(8, 3, 0x91)), /truncated/],
    ['another object', rawEntry({ kind: 3, content: Buffer.from('thy') }), /is damaged/],
  ])('is corrupt with %s', async (_what, entry, reason) => {
    await expect(readFrom(entry)).rejects.toEqual(
      expect.objectContaining({
        code: 'CORRUPT',
        data: expect.objectContaining({ reason: expect.stringMatching(reason) as string }) as object,
      }),
    )
  })

  it('is corrupt where pack and index are of two packs', async () => {
    const { repository, directory, samples } = await openFilled()
    await repository.close()
    const [one, two] = packs(directory).map(path => join(directory, path))
    const swapped = readFileSync(one!)
    chmodSync(one!, 0o644)
    writeFileSync(one!, readFileSync(two!))
    const again = await openRepository(directory)
    const reads = samples.map(({ commit }) => again.readCommit(commit))
    const outcomes = await Promise.allSettled(reads)
    expect(outcomes.filter(({ status }) => status === 'rejected')).toHaveLength(1)
    writeFileSync(one!, swapped)
  })
})

describe('a large index', () => {
  // Beyond 1 MiB an index is not held in memory.
  const count = 40_000
  const content = (i: number): Buffer => Buffer.from(`object ${i}`)

  it('is read in part, and damage to it is noticed', async () => {
    const repository = await openNew()
    const stage = repository.stage()
    for (let i = 0; i < count; i++) stage.writeBlob(content(i))
    await stage.commit()
    for (let i = 0; i < count; i += 37)
      expect(Buffer.compare(await repository.readBlob(hashObject('blob', content(i))), content(i))).toBe(0)
    expect(await repository.has(unknown)).toBe(false)
    await expect(repository.readBlob(unknown)).rejects.toEqual(code('MISSING'))
    await repository.close()

    const file = join(repository.directory, packs(repository.directory)[0]!.replace('.pack', '.idx'))
    const index = readFileSync(file)
    chmodSync(file, 0o644)
    const victim = hashObject('blob', content(7))
    const at = index.indexOf(Buffer.from(victim, 'hex'))
    for (const place of [at + 19, 1032 + count * 24 + ((at - 1032) / 20) * 4 + 3, 9, 1020]) {
      const changed = Buffer.from(index)
      changed[place]! ^= 1
      writeFileSync(file, changed)
      const outcome = await openRepository(repository.directory)
        .then(
          async damaged => damaged.readBlob(victim),
          (error: unknown) => Promise.reject(error as Error),
        )
        .catch((error: unknown) => error)
      // A flip in the counts of another id's first byte does not touch this one.
      if (!(outcome instanceof Uint8Array)) expect(outcome, `byte ${place}`).toEqual(code('CORRUPT'))
      else expect(Buffer.compare(outcome, content(7))).toBe(0)
    }
  })
})

describe('a pack builder', () => {
  it.each([{}, { deflateFromBytes: 0 }, { deflateFromBytes: 1000 }])('with %j satisfies git', async options => {
    const directory = temporaryDirectory()
    git(directory, ['init', '--quiet', '--bare'])
    const builder = new PackBuilder(options)
    const sizes = [0, 1, 15, 16, 127, 2047, 2048, 65_534, 65_535, 65_536, 131_070, 131_071, 3_000_000]
    const bytes = sizes.map((size, i) => Buffer.alloc(size, `${i} and more`))
    for (const content of [...bytes, ...bytes]) builder.add('blob', content)
    expect(builder.objectCount).toBe(sizes.length)
    for (const content of bytes) expect(Buffer.compare(builder.read(hashObject('blob', content))!, content)).toBe(0)
    expect(builder.read(unknown)).toBeUndefined()
    const built = builder.finish()
    const pack = Buffer.concat(built.chunks)
    writeFileSync(join(directory, 'x.pack'), pack)
    expect(git(directory, ['index-pack', '--strict', join(directory, 'x.pack')]).trim()).toBe(built.name)
    expect(readFileSync(join(directory, 'x.idx')).equals(built.index)).toBe(true)
    for (const content of bytes) expect(Buffer.compare(builder.read(hashObject('blob', content))!, content)).toBe(0)
  })

  it('makes 60,000 small objects in well under two seconds of processor time', () => {
    const builder = new PackBuilder()
    const started = process.cpuUsage()
    for (let i = 0; i < 60_000; i++) builder.add('blob', Buffer.from(`{"id":${i},"value":"${'x'.repeat(100)}"}`))
    builder.finish()
    const { user, system } = process.cpuUsage(started)
    expect((user + system) / 1000).toBeLessThan(2000)
  })
})

describe('a pack for sending', () => {
  it.each([{}, { deflateFromBytes: 100, chunkBytes: 1 }])('with %j satisfies git', async options => {
    const directory = temporaryDirectory()
    git(directory, ['init', '--quiet', '--bare'])
    const objects = [0, 10, 100, 70_000].map(size => ({ type: 'blob' as const, bytes: Buffer.alloc(size, 'x') }))
    const chunks: Uint8Array[] = []
    for await (const chunk of encodePack(objects, objects.length, options)) chunks.push(chunk)
    git(directory, ['index-pack', '--strict', '--stdin'], Buffer.concat(chunks))
    for (const { type, bytes } of objects)
      expect(git(directory, ['cat-file', '-s', hashObject(type, bytes)]).trim()).toBe(String(bytes.length))
  })

  it('has as many objects as promised', async () => {
    const all = async (count: number): Promise<void> => {
      for await (const chunk of encodePack([{ type: 'blob', bytes: Buffer.alloc(1) }], count)) void chunk
    }
    await all(1)
    await expect(all(2)).rejects.toThrow('promised')
  })
})

describe('leftovers of a crash', () => {
  it('go when the repository is opened', async () => {
    const { directory, main } = await openFilled()
    const leftovers = ['objects/pack/tmp_atoll_pack_1', 'refs/heads/main.lock', 'packed-refs.lock', 'HEAD.tmp-12345678']
    for (const path of leftovers) writeFileSync(join(directory, path), 'x')
    mkdirSync(join(directory, 'objects/quarantine-1'))
    writeFileSync(join(directory, 'objects/quarantine-1/pack.tmp'), 'x')
    writeFileSync(join(directory, 'objects/pack/tmp_pack_of_git'), 'x')
    const repository = await openRepository(directory)
    for (const path of [...leftovers, 'objects/quarantine-1'])
      expect(existsSync(join(directory, path)), path).toBe(false)
    expect(existsSync(join(directory, 'objects/pack/tmp_pack_of_git'))).toBe(true)
    await repository.updateRef('refs/heads/main', main, main)
  })
})

describe('refs', () => {
  it('move by compare-and-swap only', async () => {
    const { repository, directory, samples, main } = await openFilled()
    const older = samples[0]!.commit
    await expect(repository.updateRef('refs/heads/main', older, undefined)).rejects.toEqual(code('CONFLICT'))
    await expect(repository.updateRef('refs/heads/main', older, older)).rejects.toEqual(code('CONFLICT'))
    await expect(repository.updateRef('refs/heads/new', older, main)).rejects.toEqual(code('CONFLICT'))
    expect(await repository.readRef('refs/heads/main')).toBe(main)
    await repository.updateRef('refs/heads/main', older, main)
    expect(git(directory, ['rev-parse', 'main']).trim()).toBe(older)
    await expect(repository.deleteRef('refs/heads/main', main)).rejects.toEqual(code('CONFLICT'))
  })

  it('have one winner', async () => {
    const { repository, samples, main } = await openFilled()
    const results = await Promise.allSettled(
      samples
        .slice(0, 2)
        .flatMap(({ commit }) => [1, 2].map(() => repository.updateRef('refs/heads/main', commit, main))),
    )
    const lost = results.filter(result => result.status === 'rejected')
    expect(lost).toHaveLength(3)
    for (const { reason } of lost) expect(reason).toEqual(code('CONFLICT'))
  })

  it('are listed loose and packed, and deleted from both', async () => {
    const { repository, directory, samples, main } = await openFilled()
    const older = samples[0]!.commit
    await repository.updateRef('refs/atoll/heads/b', main, undefined)
    await repository.updateRef('refs/atoll/heads/a', main, undefined)
    git(directory, ['tag', '-a', '-m', 'x', 'annotated', main])
    git(directory, ['pack-refs', '--all'])
    expect(await repository.readRef('refs/heads/main')).toBe(main)
    await repository.updateRef('refs/heads/main', older, main)
    await repository.updateRef('refs/atoll/heads/c', older, undefined)
    expect([...(await repository.listRefs('refs/atoll/heads/'))]).toEqual([
      ['refs/atoll/heads/a', main],
      ['refs/atoll/heads/b', main],
      ['refs/atoll/heads/c', older],
    ])
    expect((await repository.listRefs('refs/heads/')).get('refs/heads/main')).toBe(older)
    await repository.deleteRef('refs/heads/main', older)
    await repository.deleteRef('refs/atoll/heads/a', main)
    await repository.deleteRef('refs/atoll/heads/c', older)
    expect([...(await repository.listRefs('refs/')).keys()]).toEqual(['refs/atoll/heads/b', 'refs/tags/annotated'])
    expect(git(directory, ['for-each-ref', '--format=%(refname)']).trim()).toBe(
      'refs/atoll/heads/b\nrefs/tags/annotated',
    )
    expect(fsck(directory)).toBe('')
  })

  it('that are truncated or symbolic are corrupt, never the packed value', async () => {
    const { repository, directory, main } = await openFilled()
    git(directory, ['pack-refs', '--all', '--no-prune'])
    const file = join(directory, 'refs/heads/main')
    for (const text of ['', main.slice(0, 20), main, `${main}\n\n`, `${main}\r\n`, 'ref: refs/heads/x\n']) {
      writeFileSync(file, text)
      await expect(repository.readRef('refs/heads/main'), JSON.stringify(text)).rejects.toEqual(code('CORRUPT'))
      await expect(repository.updateRef('refs/heads/main', main, main)).rejects.toEqual(code('CORRUPT'))
    }
    rmSync(file)
    expect(await repository.readRef('refs/heads/main')).toBe(main)
    appendFileSync(join(directory, 'packed-refs'), 'rubbish')
    await expect(repository.readRef('refs/heads/main')).rejects.toEqual(code('CORRUPT'))
  })

  it('do not stand in each other’s way', async () => {
    const { repository, directory, main } = await openFilled()
    await expect(repository.updateRef('refs/heads/main/x', main, undefined)).rejects.toEqual(code('CONFLICT'))
    await expect(repository.updateRef('refs/heads', main, undefined)).rejects.toEqual(code('CONFLICT'))
    await repository.updateRef('refs/heads/a/b/c', main, undefined)
    await repository.deleteRef('refs/heads/a/b/c', main)
    await repository.updateRef('refs/heads/a', main, undefined)
    git(directory, ['pack-refs', '--all'])
    await expect(repository.updateRef('refs/heads/a/x', main, undefined)).rejects.toEqual(code('CONFLICT'))
    expect(git(directory, ['for-each-ref', '--format=%(refname)']).trim()).toBe('refs/heads/a\nrefs/heads/main')
  })

  it('respect the lock of git', async () => {
    const { repository, directory, main } = await openFilled()
    const lock = join(directory, 'refs/heads/main.lock')
    writeFileSync(lock, '')
    const update = repository.updateRef('refs/heads/main', main, main)
    expect(
      await Promise.race([update.then(() => 'moved'), new Promise(resolve => setImmediate(resolve, 'waits'))]),
    ).toBe('waits')
    rmSync(lock)
    await update
    expect(existsSync(lock)).toBe(false)
  })

  it.each([
    'HEAD',
    'refs/',
    'refs/heads/',
    'refs/heads/..',
    'refs/heads/a..b',
    'refs/heads/.a',
    'refs/heads/a.lock',
    'refs/a.lock/b',
    'refs/heads/a b',
    'refs/heads/a~',
    'refs/heads/a^',
    'refs/heads/a:',
    'refs/heads/a?',
    'refs/heads/a*',
    'refs/heads/a[',
    'refs/heads/a\\b',
    'refs/heads/a@{0}',
    'refs//a',
    'refs/heads/a.',
    'refs/heads/a\n',
    'refs/heads/\x7f',
    '../x',
    '/refs/x',
  ])('refuses the name %j', async name => {
    const repository = await openNew()
    await expect(repository.readRef(name)).rejects.toEqual(code('INVALID'))
    await expect(repository.updateRef(name, unknown, undefined)).rejects.toEqual(code('INVALID'))
  })
})

it('isAtollError narrows what a repository throws', async () => {
  const error: unknown = await Repository.open('/nonexistent/atoll').catch((reason: unknown) => reason)
  expect(isAtollError(error, 'MISSING') && error.data.what).toBe('repository')
  expect(author.name).toBe('one')
})
