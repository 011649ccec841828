import { chmodSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { ObjectId } from '@atolldb/core'
import { encodePack, hashObject, type Repository } from '@atolldb/git'
import { describe, expect, it } from 'vitest'
import { openRepository, temporaryDirectory } from './fixtures.ts'

/** Neighbours in a pack, more than its index may have to stay in memory, or fewer. */
async function writeRecords(records: number): Promise<{ directory: string; ids: ObjectId[] }> {
  const directory = join(temporaryDirectory(), 'repo.git')
  const repository = await openRepository(directory, { create: true })
  const stage = repository.stage()
  const ids = Array.from({ length: records }, (_none, i) => stage.writeBlob(Buffer.from(`{"record":${i}}`)))
  await stage.commit()
  return { directory, ids }
}

async function countAtHand(repository: Repository, ids: readonly ObjectId[]): Promise<number> {
  let atHand = 0
  for (const id of ids) {
    const bytes = repository.blobAtHand(id)
    if (bytes === undefined) continue
    atHand++
    expect(hashObject('blob', bytes)).toBe(id)
  }
  return atHand
}

describe('what is at hand', () => {
  it.each([
    ['in memory', 1000],
    ['read in windows', 40_000],
  ])(
    'is nothing at first, and then what was read with its neighbours, where the index is %s',
    async (_where, records) => {
      const { directory, ids } = await writeRecords(records)
      const repository = await openRepository(directory)
      const neighbours = ids.slice(0, 500)
      expect(await countAtHand(repository, neighbours)).toBe(0)
      for (const id of neighbours) await repository.readBlob(id)
      expect(await countAtHand(repository, neighbours)).toBeGreaterThan(450)
      expect(repository.blobAtHand('f'.repeat(40) as ObjectId)).toBeUndefined()
    },
  )

  it('is nothing that is damaged', async () => {
    const { directory, ids } = await writeRecords(100)
    const packs = join(directory, 'objects/pack')
    const path = join(
      packs,
      readdirSync(packs).find(name => name.endsWith('.pack'))!,
    )
    const bytes = readFileSync(path)
    const at = bytes.indexOf('{"record":50}')
    bytes[at + 10]! ^= 1
    chmodSync(path, 0o644)
    writeFileSync(path, bytes)
    const repository = await openRepository(directory)
    await repository.readBlob(ids[0]!)
    expect(repository.blobAtHand(ids[49]!)).toBeDefined()
    expect(repository.blobAtHand(ids[50]!)).toBeUndefined()
    await expect(repository.readBlob(ids[50]!)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  it('of a pack in quarantine is a bounded part, and outlives it', async () => {
    const repository = await openRepository(join(temporaryDirectory(), 'repo.git'), { create: true })
    const contents = Array.from({ length: 20 }, (_none, i) => Buffer.alloc(1_000_000, `blob ${i}`))
    const pack = await repository.receivePack(
      encodePack(
        contents.map(bytes => ({ type: 'blob', bytes })),
        contents.length,
      ),
    )
    const ids = contents.map(bytes => hashObject('blob', bytes))
    const kept = ids.filter(id => pack.blobAtHand(id) !== undefined)
    expect(kept).toEqual(ids.slice(0, 12))
    for (const [i, id] of ids.entries()) expect(contents[i]!.equals(await pack.readBlob(id))).toBe(true)
    expect(pack.holds(ids[0]!)).toBe(true)
    await pack.discard()
    expect(pack.holds(ids[0]!)).toBe(false)
    expect(contents[0]!.equals(pack.blobAtHand(ids[0]!)!)).toBe(true)
  })
})
