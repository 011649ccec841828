import { cpSync, existsSync, readdirSync, readFileSync, rmSync, statSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { isNotFound, MalformedObject, type Repository } from '@atolldb/git'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { decodeFailure, encodeFailure } from '../src/compaction/merge-thread.ts'
import { OpenFiles } from '../src/files/open-files.ts'
import { WindowedFiles } from '../src/files/windowed-files.ts'
import { PackDirectory } from '../src/repository/pack-directory.ts'
import { fsck, git, openRepository, temporaryDirectory, writeSample } from './fixtures.ts'
import { VersionHistory } from './version-history.ts'

async function openGrown(commits: number): Promise<{ repository: Repository; history: VersionHistory }> {
  const repository = await openRepository(join(temporaryDirectory(), 'repo.git'), { create: true })
  const history = new VersionHistory(repository)
  await history.grow(commits)
  return { repository, history }
}

const packFiles = (directory: string): string[] => readdirSync(join(directory, 'objects/pack'))
const packs = (directory: string): string[] => packFiles(directory).filter(name => name.endsWith('.pack'))
const packBytes = (directory: string): number =>
  packs(directory).reduce((sum, name) => sum + statSync(join(directory, 'objects/pack', name)).size, 0)

async function expectAllThere(repository: Repository, history: VersionHistory): Promise<void> {
  for (const id of history.objects) expect(await repository.has(id)).toBe(true)
  for (const id of history.objects) await repository.readObject(id)
  const again = await openRepository(repository.directory)
  for (const id of history.objects) expect(await again.readObject(id)).toEqual(await repository.readObject(id))
}

describe('compaction', () => {
  it('puts all packs into one that has every object once, and that stock git accepts', async () => {
    const { repository, history } = await openGrown(70)
    const { directory } = repository
    const before = packBytes(directory)
    const progress: [number, number][] = []
    const summary = await repository.compact({ all: true, onProgress: (...step) => progress.push(step) })
    expect(summary).toEqual({
      packsBefore: 70,
      packsAfter: 1,
      objects: history.objects.size,
      bytesBefore: before,
      bytesAfter: packBytes(directory),
    })
    expect(progress.at(-1)).toEqual([history.objects.size, history.objects.size])
    expect(packFiles(directory)).toHaveLength(2)
    expect(repository.packCount).toBe(1)
    await expectAllThere(repository, history)
    expect(fsck(directory)).toBe('')
    const path = join(directory, 'objects/pack', packs(directory)[0]!)
    const verified = git(directory, ['verify-pack', '-v', path])
    const chains = [...verified.matchAll(/^chain length = (\d+):/gm)].map(([, length]) => Number(length))
    expect(Math.max(...chains)).toBeLessThanOrEqual(50)
    expect(Math.max(...chains)).toBeGreaterThan(10)
    // The index is the one that git makes of the pack.
    const copy = join(temporaryDirectory(), 'copy.pack')
    cpSync(path, copy)
    git(directory, ['index-pack', '--strict', copy])
    expect(readFileSync(copy.replace('.pack', '.idx'))).toEqual(readFileSync(path.replace('.pack', '.idx')))
  })

  it('makes it no larger than stock git does, in one go or bit by bit', async () => {
    const { repository, history } = await openGrown(1)
    for (let i = 0; i < 150; i++) {
      await history.grow(1)
      if (repository.compactionNeed !== 'none') await repository.compact()
      expect(repository.packCount).toBeLessThanOrEqual(12 + Math.log2(i + 2))
    }
    expect(repository.compactionNeed).toBe('none')
    const copy = join(temporaryDirectory(), 'copy.git')
    cpSync(repository.directory, copy, { recursive: true })
    git(copy, ['repack', '-a', '-d', '-F', '-q'])
    await repository.compact({ all: true })
    expect(packBytes(repository.directory)).toBeLessThan(packBytes(copy) * 1.1)
    await expectAllThere(repository, history)
    expect(fsck(repository.directory)).toBe('')
  })

  it('does nothing where there is nothing to do', async () => {
    const { repository } = await openGrown(7)
    expect(repository.compactionNeed).toBe('none')
    expect(await repository.compact()).toMatchObject({ packsBefore: 7, packsAfter: 7, objects: 0 })
    await repository.compact({ all: true })
    const files = packFiles(repository.directory)
    expect(await repository.compact({ all: true })).toMatchObject({ packsAfter: 1, objects: 0 })
    expect(packFiles(repository.directory)).toEqual(files)
  })

  it('compresses a single pack that never was', async () => {
    const { repository, history } = await openGrown(1)
    const before = packBytes(repository.directory)
    const { bytesAfter } = await repository.compact({ all: true })
    expect(bytesAfter).toBeLessThan(before * 0.85)
    await expectAllThere(repository, history)
  })

  it('makes no record a delta upon another, so that reading one reads that one', async () => {
    const { repository, history } = await openGrown(1)
    await repository.compact({ all: true })
    const { directory } = repository
    const verified = git(directory, ['verify-pack', '-v', join(directory, 'objects/pack', packs(directory)[0]!)])
    const blobs = verified.split('\n').filter(line => line.slice(41).startsWith('blob'))
    // Five columns; a delta's depth and base would be two more.
    expect(blobs.length).toBeGreaterThan(200)
    for (const line of blobs) expect(line.trim().split(/ +/)).toHaveLength(5)
    await expectAllThere(repository, history)
  })

  it('takes in what stock git packed, with deltas of either kind, and leaves loose objects alone', async () => {
    const { repository, history } = await openGrown(60)
    const { directory } = repository
    git(directory, ['gc', '-q', '--aggressive'])
    await history.grow(10)
    // By id instead of by distance, as old gits do.
    git(directory, ['-c', 'repack.usedeltabaseoffset=false', 'repack', '-a', '-d', '-F', '-q'])
    await history.grow(30)
    const loose = git(directory, ['hash-object', '-w', '--stdin'], Buffer.from('loose')).trim()
    await repository.compact({ all: true })
    expect(packs(directory)).toHaveLength(1)
    await expectAllThere(repository, history)
    expect(existsSync(join(directory, 'objects', loose.slice(0, 2), loose.slice(2)))).toBe(true)
    expect(fsck(directory)).toBe('')
  })

  it('leaves packs that are to be kept, and the multi-pack index goes before the packs that it names', async () => {
    const { repository, history } = await openGrown(20)
    const { directory } = repository
    const kept = packs(directory)[3]!
    writeFileSync(join(directory, 'objects/pack', kept.replace('.pack', '.keep')), '')
    git(directory, ['multi-pack-index', 'write'])
    await repository.compact({ all: true })
    expect(packs(directory)).toHaveLength(2)
    expect(packs(directory)).toContain(kept)
    expect(packFiles(directory)).not.toContain('multi-pack-index')
    await expectAllThere(repository, history)
    expect(fsck(directory)).toBe('')
  })

  it('does not mind who reads and writes meanwhile', async () => {
    const { repository, history } = await openGrown(80)
    const compacting = repository.compact({ all: true })
    const state = { done: false }
    void compacting.finally(() => (state.done = true))
    const reading = (async () => {
      const ids = [...history.objects]
      let reads = 0
      // Slower than compaction, so that packs go while it is at it.
      for (let i = 0; !state.done || reads < ids.length; i = (i + 97) % ids.length, reads++) {
        expect((await repository.readObject(ids[i]!)).bytes).toBeInstanceOf(Uint8Array)
        // What is cached is read without the loop's turning.
        await setImmediate()
      }
      return reads
    })()
    await history.grow(5)
    expect(await compacting).toMatchObject({ packsBefore: 80 })
    expect(await reading).toBeGreaterThan(0)
    await expectAllThere(repository, history)
    expect(repository.packCount).toBeLessThanOrEqual(6)
    expect(packs(repository.directory)).toHaveLength(repository.packCount)
    expect(fsck(repository.directory)).toBe('')
  })

  it('takes no object for missing whose pack goes while it is looked for', async () => {
    const { repository, history } = await openGrown(3)
    const files = new WindowedFiles(1 << 20)
    onTestFinished(() => files.close())
    const directory = new PackDirectory(join(repository.directory, 'objects/pack'), files)
    await directory.refresh()
    // oxlint-disable-next-line typescript/unbound-method -- it is called upon its object below
    const read = OpenFiles.prototype.read
    vi.spyOn(OpenFiles.prototype, 'read').mockImplementationOnce(async function (this: OpenFiles, ...place) {
      await repository.compact({ all: true })
      // Another reader notices first.
      await directory.refresh()
      return read.apply(this, place)
    })
    expect(await directory.read(history.commits[0]!)).toMatchObject({ type: 'commit' })
  })

  it('gives up when stock git packs the same at the same time, and can be asked again', async () => {
    const { repository, history } = await openGrown(40)
    const compacting = repository.compact({
      all: true,
      onProgress: done => {
        if (done === 0) git(repository.directory, ['repack', '-a', '-d', '-q'])
      },
    })
    await compacting
    await expectAllThere(repository, history)
    await repository.compact({ all: true })
    await expectAllThere(repository, history)
    expect(fsck(repository.directory)).toBe('')
  })

  it('removes at the next open what a crash left of a merged pack, and none that only lost its index', async () => {
    const { repository } = await openGrown(2)
    const [first] = packs(repository.directory)
    await repository.compact({ all: true })
    const path = join(repository.directory, 'objects/pack')
    writeFileSync(join(path, first!), 'left')
    utimesSync(join(path, first!), 0, 0)
    await openRepository(repository.directory)
    expect(packFiles(repository.directory)).toContain(first)
    writeFileSync(join(path, `tmp_atoll_gone_${first!.slice('pack-'.length, -'.pack'.length)}`), 'its index')
    await openRepository(repository.directory)
    expect(packFiles(repository.directory)).not.toContain(first)
    expect(packFiles(repository.directory)).toHaveLength(2)
  })

  it('stops when it is told to, and leaves nothing behind', async () => {
    const { repository } = await openGrown(120)
    const files = packFiles(repository.directory)
    await expect(repository.compact({ all: true, signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'ABORTED',
    })
    const stop = new AbortController()
    const stopped = repository.compact({ all: true, signal: stop.signal, onProgress: () => stop.abort() })
    await expect(stopped).rejects.toMatchObject({ code: 'ABORTED' })
    expect(packFiles(repository.directory)).toEqual(files)
    expect(await repository.compact({ all: true })).toMatchObject({ packsAfter: 1 })
  })

  it.each(['stored', 'compressed'])('names damage in a %s pack, and removes nothing', async form => {
    const { repository } = await openGrown(1)
    const { directory } = repository
    if (form === 'compressed') await repository.compact({ all: true })
    const path = join(directory, 'objects/pack', packs(directory)[0]!)
    const stage = repository.stage()
    writeSample(stage, 'another', 3)
    await stage.commit()
    const bytes = readFileSync(path)
    bytes[Math.floor(bytes.length / 2)]! ^= 1
    rmSync(path)
    writeFileSync(path, bytes)
    const files = packFiles(directory)
    await expect(repository.compact({ all: true })).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(packFiles(directory)).toEqual(files)
  })

  it('leaves out a pack that it found damaged, and merges the others', async () => {
    const { repository, history } = await openGrown(1)
    const { directory } = repository
    const stage = repository.stage()
    const lost = stage.writeBlob(Buffer.from('to be lost'))
    const { name } = (await stage.commit())!
    const path = join(directory, `objects/pack/pack-${name}.pack`)
    const bytes = readFileSync(path)
    bytes[bytes.indexOf('to be lost')]! ^= 1
    rmSync(path)
    writeFileSync(path, bytes)
    const failures: unknown[] = []
    for (let i = 0; i < 60; i++) {
      await history.grow(1)
      if (repository.compactionNeed !== 'none')
        await repository.compact().catch((error: unknown) => failures.push(error))
    }
    const damage = { file: path, reason: expect.stringContaining(lost) as string }
    expect(failures).toEqual([
      expect.objectContaining({ code: 'CORRUPT', data: expect.objectContaining(damage) as unknown }),
    ])
    expect(repository.damagedPacks).toEqual([damage])
    expect(repository.packCount).toBeLessThanOrEqual(12 + Math.log2(62))
    expect(packs(directory)).toContain(`pack-${name}.pack`)
  })

  it('tells a failure in a thread as it would tell its own', () => {
    const gone = Object.assign(new Error('ENOENT: gone'), { code: 'ENOENT', errno: -2 })
    expect(isNotFound(decodeFailure(structuredClone(encodeFailure(gone))))).toBe(true)
    const damaged = new MalformedObject('damaged')
    expect(decodeFailure(structuredClone(encodeFailure(damaged)))).toEqual(damaged)
  })

  it('lets the loop turn while it works', async () => {
    const repository = await openRepository(join(temporaryDirectory(), 'repo.git'), { create: true })
    for (let i = 0; i < 3; i++) {
      const stage = repository.stage()
      writeSample(stage, `sample ${i}`, 8000)
      await stage.commit()
    }
    let longest = 0
    const started = performance.now()
    let last = started
    const timer = setInterval(() => {
      longest = Math.max(longest, performance.now() - last)
      last = performance.now()
    }, 1)
    await repository.compact({ all: true })
    clearInterval(timer)
    // A share of the whole, since the machine may be busy.
    expect(longest).toBeLessThan((performance.now() - started) / 2)
  })
})
