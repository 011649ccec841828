import { cpSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Database } from 'atolldb'
import { describe, expect, onTestFinished, test, vi } from 'vitest'

/**
 * What hastydb promised, a log-structured key/value engine. That Bloom filters spare reads of packs is in
 * packages/git/test/repository.test.ts, that packs are merged in the background in packages/db/test/compaction.test.ts.
 */

const LATE = 100

function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), 'atoll-row-5-'))
  onTestFinished(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

async function opened(directory: string): Promise<Database> {
  const db = await open(directory)
  onTestFinished(() => db.close())
  return db
}

describe('row 5, hastydb', () => {
  test('open, set, get, close: what was set is there, and what is missing is told', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const db = await opened(directory)
    await db.object('farms').put('north', 'rye')
    await db.close()
    const again = await opened(directory)
    expect(await again.object('farms').get('north')).toBe('rye')
    expect(await again.object('farms').get('south')).toBeUndefined()
    expect(await again.object('farms').has('south')).toBe(false)
  })

  test('writes are logged first: a crash before any seal loses none', async () => {
    const directory = temporaryDirectory()
    const db = await opened(join(directory, 'data'))
    const ids = Array.from({ length: 500 }, (_, i) => `${i}`)
    await Promise.all(ids.map(id => db.object('farms').put(id, `rye ${id}`)))
    // What the disk has in the turn of the acknowledgement is what a crash would leave. Its view is far behind, or nothing.
    cpSync(join(directory, 'data'), join(directory, 'crashed'), { recursive: true })
    rmSync(join(directory, 'crashed/view'), { recursive: true })
    const after = await opened(join(directory, 'crashed'))
    expect(await after.object('farms').getMany(ids)).toEqual(ids.map(id => `rye ${id}`))
  })

  test('writes go on while those before become an immutable segment; reads find both', async () => {
    const db = await opened(join(temporaryDirectory(), 'data'))
    const farms = db.object<number>('farms')
    await Promise.all(Array.from({ length: 2_000 }, (_, i) => farms.put(`${i}`, i)))
    const sealing = db.flush()
    for (let i = 0; i < LATE; i++) {
      await farms.put(`late ${i}`, i)
      expect(await farms.getMany(['1999', `late ${i}`])).toEqual([1_999, i])
    }
    await sealing
    expect(await farms.count()).toBe(2_000 + LATE)
  })

  test('segments are merged in the background: their number grows with the logarithm of what was written', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const db = await opened(directory)
    const SEALS = 40
    for (let i = 0; i < SEALS; i++) {
      await db.object('farms').put('north', i)
      await db.flush()
    }
    const packs = (): string[] =>
      readdirSync(join(directory, 'repo.git/objects/pack')).filter(name => name.endsWith('.pack'))
    await vi.waitFor(() => expect(packs().length).toBeLessThanOrEqual(12 + Math.log2(SEALS + 1)), 20_000)
    expect(await db.object('farms').get('north')).toBe(SEALS - 1)
  })

  test('segments are merged into one, and every version stays readable', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const db = await opened(directory)
    const commits: string[] = []
    for (let i = 0; i < 8; i++) {
      await db.object('farms').put('north', i)
      commits.push((await db.flush()).commit)
    }
    await db.compact()
    const packs = readdirSync(join(directory, 'repo.git/objects/pack')).filter(name => name.endsWith('.pack'))
    expect(packs).toHaveLength(1)
    for (const [i, commit] of commits.entries())
      expect(await (await db.at(commit)).object('farms').get('north')).toBe(i)
  })
})
