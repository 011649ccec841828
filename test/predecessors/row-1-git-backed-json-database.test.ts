import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { open, type Database } from 'atolldb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/**
 * What a git-backed JSON database promised, kept by one node. What takes several (distribution by fetch and merge, the open
 * line between nodes, no master) is in test/cluster*.test.ts.
 */

let directory: string
let db: Database

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'atoll-row-1-'))
  db = await open(join(directory, 'data'), { cache: { entries: 10 } })
})
afterAll(async () => {
  await db.close()
  rmSync(directory, { recursive: true, force: true })
})

function git(...words: string[]): string {
  return execFileSync('git', words, { encoding: 'utf8', cwd: directory, stdio: ['ignore', 'pipe', 'pipe'] })
}

const SECRET = 'only-in-memory-4711'

/** The files of the node that hold a text, and 'objects' where an object of the repository does, inflated. */
function holders(text: string): string[] {
  const data = join(directory, 'data')
  const files = readdirSync(data, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
    .filter(file => readFileSync(file).includes(text))
  const objects = execFileSync('git', ['--git-dir', 'data/repo.git', 'cat-file', '--batch-all-objects', '--batch'], {
    cwd: directory,
    maxBuffer: 64 * 1024 * 1024,
  })
  return objects.includes(text) ? [...files, 'objects'] : files
}

describe('row 1, a git-backed JSON database', () => {
  test('a Tuple is in memory: no file of the node ever has it', async () => {
    const sessions = db.tuple('sessions')
    await sessions.put('ann', { seen: SECRET })
    // A record beside it, so that there is something to seal, and to find by the same search.
    await db.object('people').put('ben', { seen: 'nothing of ann-in-memory' })
    await db.flush()
    await db.compact()
    expect(await sessions.get('ann')).toEqual({ seen: SECRET })
    expect(holders('nothing of ann-in-memory')).not.toEqual([])
    expect(holders(SECRET)).toEqual([])
  })

  test('a List is one file, a record a line; it is inserted into and deleted from, and never updated', async () => {
    const readings = db.list('readings')
    const ids = [await readings.insert({ t: 1 }), await readings.insert({ t: 2 }), await readings.insert({ t: 3 })]
    await readings.delete(ids[1]!)
    const { commit } = await db.flush()
    const lines = git('--git-dir', 'data/repo.git', 'show', `${commit}:lists/readings.jsonl`).trimEnd().split('\n')
    expect(lines.map(line => JSON.parse(line) as unknown)).toEqual([
      { id: ids[0], value: { t: 1 } },
      { id: ids[2], value: { t: 3 } },
    ])
    expect(readings).not.toHaveProperty('put')
    expect(readings).not.toHaveProperty('update')
  })

  test('an Object is a file per record, in plain JSON', async () => {
    await db.object('farms').put('north', { crop: 'rye', area: 12 })
    const { commit } = await db.flush()
    const text = git('--git-dir', 'data/repo.git', 'show', `${commit}:objects/farms/north.json`)
    expect(text).toBe('{"area":12,"crop":"rye"}')
  })

  test('a Cache within the limit of its user keeps what is asked for most, while everything else is read through', async () => {
    const fields = db.object<number>('fields')
    await Promise.all(Array.from({ length: 300 }, (_, i) => fields.put(`${i}`, i)))
    await fields.count()
    for (let round = 0; round < 3; round++) for (let hot = 0; hot < 4; hot++) await fields.get(`${hot}`)
    for (let i = 0; i < 300; i++) expect(await fields.get(`${i}`)).toBe(i)
    expect(db.cacheCounts().entries).toBeLessThanOrEqual(10)
    const { hits } = db.cacheCounts()
    for (let hot = 0; hot < 4; hot++) expect(await fields.get(`${hot}`)).toBe(hot)
    expect(db.cacheCounts().hits).toBe(hits + 4)
  })

  test('a backup is a fetch: incremental, with every version, and stock git is enough', async () => {
    const farms = db.object('farms')
    await farms.put('south', { crop: 'oats' })
    await db.flush()
    git('clone', '--quiet', '--bare', 'data/repo.git', 'backup.git')
    await farms.put('south', { crop: 'peas' })
    const { commit } = await db.flush()
    git('--git-dir', 'backup.git', 'fetch', '--quiet', 'origin', '+main:main')
    const show = (name: string): string => git('--git-dir', 'backup.git', 'show', `${name}:objects/farms/south.json`)
    expect([show(commit), show(`${commit}^`)]).toEqual(['{"crop":"peas"}', '{"crop":"oats"}'])
  })

  test('a node works when every other fails: it needs none', async () => {
    expect((await db.status()).state).toBe('alone')
    await db.object('farms').put('east', 1)
    await db.close()
    db = await open(join(directory, 'data'))
    expect(await db.object('farms').get('east')).toBe(1)
    expect(readFileSync(join(directory, 'data/repo.git/HEAD'), 'utf8')).toBe('ref: refs/heads/main\n')
  })
})
