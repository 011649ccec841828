import {
  chmodSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { basename, join } from 'node:path'
import type { ObjectId } from '@atolldb/core'
import { checkPack, listPackNames, mendPack, type MendedPack, type PackName, Repository } from '@atolldb/git'
import { describe, expect, it } from 'vitest'
import { fsck, git, openRepository, temporaryDirectory } from './fixtures.ts'
import { VersionHistory } from './version-history.ts'

/** A repository with one pack, as compaction makes it: zlib and deltas; or as seals make them, stored. */
async function onePack(
  compacted: boolean,
): Promise<{ directory: string; packs: string; pack: PackName; ids: ObjectId[] }> {
  const directory = join(temporaryDirectory(), 'repo.git')
  const repository = await Repository.open(directory, { create: true })
  await new VersionHistory(repository).grow(compacted ? 40 : 1)
  if (compacted) await repository.compact({ all: true })
  await repository.close()
  const packs = join(directory, 'objects/pack')
  const pack = (await listPackNames(packs)).at(-1)!
  const ids = git(directory, ['cat-file', '--batch-all-objects', '--batch-check=%(objectname)']).trim().split('\n')
  return { directory, packs, pack, ids: ids as ObjectId[] }
}

function spoil(file: string, change: (bytes: Buffer) => void): void {
  chmodSync(file, 0o644)
  const bytes = readFileSync(file)
  change(bytes)
  writeFileSync(file, bytes)
}

async function mendAll(packs: string, aside: string): Promise<MendedPack[]> {
  const mended: MendedPack[] = []
  for (const pack of await listPackNames(packs))
    if ((await checkPack(packs, pack)).damages.length > 0)
      mended.push(await mendPack(packs, pack, async file => renameSync(file, join(aside, basename(file)))))
  return mended
}

async function isClean(packs: string): Promise<boolean> {
  for (const pack of await listPackNames(packs)) if ((await checkPack(packs, pack)).damages.length > 0) return false
  return true
}

describe('a damaged pack', () => {
  it('is none while nothing is wrong', async () => {
    const { packs, pack, ids } = await onePack(true)
    let seen = 0
    const { damages, objects } = await checkPack(packs, pack, { onObject: () => seen++ })
    expect({ damages, objects, seen }).toEqual({ damages: [], objects: ids.length, seen: ids.length })
  })

  it('is not looked for once the check was told to stop', async () => {
    const { packs, pack } = await onePack(false)
    const check = checkPack(packs, pack, { signal: AbortSignal.abort() })
    await expect(check).rejects.toMatchObject({ code: 'ABORTED', data: { what: 'the check of a pack' } })
  })

  it('gets its lost or damaged index again, byte for byte', async () => {
    for (const compacted of [false, true]) {
      const { directory, packs, pack } = await onePack(compacted)
      const index = join(packs, `pack-${pack.name}.idx`)
      const before = readFileSync(index)
      for (const harm of [
        () => rmSync(index),
        () => truncateSync(index, 900),
        () => spoil(index, bytes => void (bytes[bytes.length - 30]! ^= 1)),
        () => spoil(index, bytes => void (bytes[1100]! ^= 16)),
      ]) {
        chmodSync(index, 0o644)
        harm()
        expect(await isClean(packs)).toBe(false)
        const [mended] = await mendAll(packs, temporaryDirectory())
        expect(mended).toMatchObject({ how: 'index', lost: [] })
        expect(readFileSync(index).equals(before)).toBe(true)
      }
      expect(fsck(directory)).toBe('')
    }
  })

  it.each([
    ['compacted, with its index', true, true],
    ['compacted, without its index', true, false],
    ['as it was sealed, with its index', false, true],
    ['as it was sealed, without its index', false, false],
  ])('%s: what is whole is salvaged, and the rest is named', async (_what, compacted, hasIndex) => {
    const seed = 20_260_101
    for (let i = 0; i < 6; i++) {
      const { packs, pack, ids, directory } = await onePack(compacted)
      const path = join(packs, `pack-${pack.name}.pack`)
      const at = 12 + ((seed * (i + 1) * 7919) % (statSync(path).size - 32))
      spoil(path, bytes => void (bytes[at]! ^= 1 << (i % 8)))
      if (!hasIndex) rmSync(join(packs, `pack-${pack.name}.idx`), { force: true })
      const aside = temporaryDirectory()
      const [mended] = await mendAll(packs, aside)
      expect(mended?.how, `flipped byte ${at}`).toBe('salvaged')
      expect(readdirSync(aside)).toContain(`pack-${pack.name}.pack`)
      expect(await isClean(packs)).toBe(true)
      const repository = await openRepository(directory)
      let lost = 0
      for (const id of ids) {
        const isThere = await repository.has(id)
        if (!isThere) lost++
        if (isThere) await repository.readObject(id)
        // One flipped bit costs its object, and the deltas upon it.
        if (hasIndex) expect(mended!.lost.includes(id)).toBe(!isThere)
      }
      expect(lost).toBeLessThan(compacted ? ids.length : 3)
    }
  })

  it('gives up what lies before the place where it was truncated', async () => {
    const { packs, pack, ids, directory } = await onePack(true)
    const path = join(packs, `pack-${pack.name}.pack`)
    chmodSync(path, 0o644)
    truncateSync(path, Math.floor(statSync(path).size / 2))
    const [mended] = await mendAll(packs, temporaryDirectory())
    expect(mended!.objects).toBeGreaterThan(ids.length / 4)
    expect(mended!.objects + mended!.lost.length).toBe(ids.length)
    const repository = await openRepository(directory)
    for (const id of ids) expect(await repository.has(id)).toBe(!mended!.lost.includes(id))
  })

  it('that is gone leaves an index which says what is lost', async () => {
    const { packs, pack, ids } = await onePack(true)
    rmSync(join(packs, `pack-${pack.name}.pack`), { force: true })
    const [mended] = await mendAll(packs, temporaryDirectory())
    expect(new Set(mended!.lost)).toEqual(new Set(ids))
    expect(await isClean(packs)).toBe(true)
  })

  it('does not keep an object from being read from another pack', async () => {
    const { packs, pack, ids, directory } = await onePack(false)
    await copyPack(packs, pack.name)
    spoil(join(packs, `pack-${pack.name}.pack`), bytes => bytes.fill(0xff, 12, bytes.length - 20))
    const repository = await openRepository(directory)
    for (const id of ids) await repository.readObject(id)
  })
})

/** The same objects in a pack of another name. */
async function copyPack(packs: string, name: string): Promise<void> {
  const copy = `${name.slice(0, -4)}0000`
  for (const extension of ['pack', 'idx'])
    writeFileSync(join(packs, `pack-${copy}.${extension}`), readFileSync(join(packs, `pack-${name}.${extension}`)))
}
