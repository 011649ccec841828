import { CommitGraph, type CollectionName, type CommitId, type RecordId } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { ClassicLevel } from 'classic-level'
import { closeSync, cpSync, openSync, readdirSync, readFileSync, rmSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { recoverView, type RecoveryTarget } from '../src/engine/view-recovery.ts'
import { type Database, open } from '../src/index.ts'
import type { JournalEntry } from '../src/journal/frame.ts'
import { viewKey, type ViewMark } from '../src/view/encoding.ts'
import { View } from '../src/view/view.ts'
import { clockOf, deleteOf, putOf } from './entries.ts'
import { temporaryDirectory } from './temporary.ts'

/** A repository with three states of `things`: a=1 b=1, then a=2 b=1, then a=1 b=1 c=1. */
async function repositoryOfThree(): Promise<{ repository: Repository; graph: CommitGraph; commits: CommitId[] }> {
  const directory = temporaryDirectory()
  const db = await open(directory, { durability: 'os' })
  const things = db.object('things')
  await Promise.all([things.put('a', 1), things.put('b', 1)])
  const commits = [(await db.flush()).commit]
  await things.put('a', 2)
  commits.push((await db.flush()).commit)
  await Promise.all([things.put('a', 1), things.put('c', 1)])
  commits.push((await db.flush()).commit)
  await db.close()
  const repository = await Repository.open(join(directory, 'repo.git'))
  onTestFinished(() => repository.close())
  return { repository, graph: new CommitGraph(repository), commits }
}

describe('a recovered view', () => {
  let parts: { view: View; repository: Repository; graph: CommitGraph }
  let targets: ((journal?: { entries?: JournalEntry[]; sealedSequence?: number }) => RecoveryTarget)[]
  let mains: CommitId[]

  beforeEach(async () => {
    const { repository, graph, commits } = await repositoryOfThree()
    const view = await View.open(join(temporaryDirectory(), 'view'))
    onTestFinished(() => view.close())
    parts = { view, repository, graph }
    mains = commits
    const trees = await Promise.all(commits.map(async commit => (await graph.node(commit)).tree))
    targets = commits.map((main, index) => ({ entries = [], sealedSequence = 0 } = {}) => ({
      main,
      tree: trees[index],
      journal: { entries, sealedSequence },
    }))
    await recoverView(parts, targets[0]!())
  })

  async function records(): Promise<Record<string, unknown>> {
    const found: Record<string, unknown> = {}
    for await (const [id, { bytes }] of parts.view.range('objects', 'things' as CollectionName, {}))
      found[id] = JSON.parse(Buffer.from(bytes).toString())
    expect(parts.view.count('objects', 'things' as CollectionName)).toBe(Object.keys(found).length)
    return found
  }

  const entry = (sequence: number, change: ReturnType<typeof putOf>): JournalEntry => ({
    sequence,
    main: mains[0],
    clock: clockOf(sequence),
    changes: [change],
  })
  const mark = (more: Partial<ViewMark>): ViewMark => ({ main: mains[0], sealed: 0, sequence: 0, ...more })

  test('is the state of main, from nothing and from any other', async () => {
    const clear = vi.spyOn(parts.view, 'clear')
    expect(await records()).toEqual({ a: 1, b: 1 })
    await recoverView(parts, targets[1]!())
    expect(await records()).toEqual({ a: 2, b: 1 })
    await recoverView(parts, targets[2]!())
    expect(await records()).toEqual({ a: 1, b: 1, c: 1 })
    await recoverView(parts, targets[0]!())
    expect(await records()).toEqual({ a: 1, b: 1 })
    expect(clear).not.toHaveBeenCalled()
    expect(parts.view.mark).toEqual(mark({}))
  })

  test('forgets what an entry left that was taken back before it was sealed', async () => {
    await parts.view.apply([putOf('x', 1), putOf('b', 9)], mark({ sequence: 2 }))
    const entries = [entry(1, putOf('x', 1)), entry(2, putOf('b', 9)), entry(3, deleteOf('x')), entry(4, putOf('b', 1))]
    const clear = vi.spyOn(parts.view, 'clear')
    await recoverView(parts, targets[2]!({ entries, sealedSequence: 4 }))
    expect(await records()).toEqual({ a: 1, b: 1, c: 1 })
    expect(clear).not.toHaveBeenCalled()
    expect(parts.view.mark).toEqual(mark({ main: mains[2], sealed: 4, sequence: 4 }))
  })

  test('forgets the half of a state that came to nothing', async () => {
    await parts.view.apply([putOf('a', 2)], mark({ next: { main: mains[1], sequence: 0 } }))
    const clear = vi.spyOn(parts.view, 'clear')
    await recoverView(parts, targets[1]!())
    expect(await records()).toEqual({ a: 2, b: 1 })
    expect(clear).not.toHaveBeenCalled()
    await parts.view.apply([putOf('a', 2)], mark({ next: { main: mains[1], sequence: 0 } }))
    await recoverView(parts, targets[2]!())
    expect(await records()).toEqual({ a: 1, b: 1, c: 1 })
  })

  test('forgets the half of a group of entries', async () => {
    await parts.view.apply([putOf('x', 1)], mark({ next: { main: mains[0], sequence: 2 } }))
    const entries = [entry(1, putOf('x', 1)), entry(2, deleteOf('x'))]
    await recoverView(parts, targets[0]!({ entries, sealedSequence: 2 }))
    expect(await records()).toEqual({ a: 1, b: 1 })
  })

  test.each([
    ['are gone with their segment', [2]],
    ['were lost with the power', [1]],
    ['are not there at all', []],
  ])('is made anew where entries that it may hold %s', async (_, sequences) => {
    await parts.view.apply([putOf('x', 1), putOf('y', 1)], mark({ sequence: 2 }))
    const entries = sequences.map(sequence => entry(sequence, putOf('x', 1)))
    await recoverView(parts, targets[0]!({ entries }))
    expect(await records()).toEqual({ a: 1, b: 1 })
  })

  test('is made anew where its main is unknown, or it has no mark', async () => {
    await parts.view.apply([putOf('x', 1)], mark({ main: '1'.repeat(40) as CommitId }))
    await recoverView(parts, targets[0]!())
    expect(await records()).toEqual({ a: 1, b: 1 })
    await parts.view.apply([putOf('x', 1)], undefined)
    await recoverView(parts, targets[0]!())
    expect(await records()).toEqual({ a: 1, b: 1 })
  })

  test('is not read before it is whole', async () => {
    const ref = { kind: 'objects', collection: 'things' as CollectionName, id: 'b' as RecordId } as const
    parts.view.beginRecovery()
    expect(() => parts.view.get(viewKey(ref))).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    expect(() => parts.view.range('objects', ref.collection, {})).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    expect(() => parts.view.count('objects', ref.collection)).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    parts.view.endRecovery()
    expect(parts.view.get(viewKey(ref))).toBeDefined()
  })
})

describe('a node whose view', () => {
  const value = (index: number): { index: number; text: string } => ({ index, text: `${'text '.repeat(20)}${index}` })

  async function filled(): Promise<string> {
    const directory = temporaryDirectory()
    const db = await open(directory, { durability: 'os' })
    await Promise.all(Array.from({ length: 3_000 }, (_, index) => db.object('things').put(`${index}`, value(index))))
    await db.close()
    return directory
  }

  async function expectWhole(db: Database): Promise<void> {
    const things = db.object<unknown>('things')
    expect(await things.get('7')).toEqual(value(7))
    let found = 0
    for await (const [id, each] of things.entries()) {
      expect(each).toEqual(value(Number(id)))
      found++
    }
    expect(found).toBe(3_000)
    expect(await things.count()).toBe(3_000)
  }

  test.each([
    ['is gone', (view: string) => rmSync(view, { recursive: true })],
    ['is a file', (view: string) => (rmSync(view, { recursive: true }), writeFileSync(view, 'a file'))],
    ['lacks its CURRENT', (view: string) => rmSync(join(view, 'CURRENT'))],
    ['has a damaged manifest', (view: string) => overwrite(view, /^MANIFEST/, Buffer.from('damage'))],
    ['has damaged tables', (view: string) => overwrite(view, /\.(ldb|sst)$/, Buffer.alloc(100))],
    ['is of another format', () => undefined],
  ])('%s is whole again after a start', async (what, damage) => {
    const directory = await filled()
    // Twice, so that the first log has become a table.
    await (await open(directory)).close()
    damage(join(directory, 'view'))
    if (what === 'is of another format') {
      const level = new ClassicLevel(join(directory, 'view'))
      await level.put('f', '1')
      await level.close()
    }
    const db = await open(directory)
    await expectWhole(db)
    await db.close()
  })

  test('is found damaged when it is opened is made anew before anything is read', async () => {
    const directory = await filled()
    await (await open(directory)).close()
    damageTables(directory)
    const db = await open(directory)
    await expectWhole(db)
    await db.close()
  })

  test('is damaged in the middle while it is open mends itself at the first read that meets it', async () => {
    const directory = await filled()
    await (await open(directory)).close()
    const log = vi.fn()
    const db = await open(directory, { log })
    damageTables(directory)
    const ids = Array.from({ length: 3_000 }, (_, index) => `${index}`)
    expect(await db.object('things').getMany(ids)).toEqual(ids.map((_, index) => value(index)))
    await expectWhole(db)
    expect(log).toHaveBeenCalledWith('warn', expect.stringContaining('view'), expect.anything())
    await db.close()
  })

  test('is deleted while it runs loses nothing, and nobody else gets in', async () => {
    const directory = await filled()
    const db = await open(directory)
    cpSync(join(directory, 'view'), join(directory, 'view-copy'), { recursive: true })
    rmSync(join(directory, 'view'), { recursive: true })
    await expect(open(directory, { lockWaitMs: 0 })).rejects.toMatchObject({ code: 'LOCKED' })
    await db.object('things').put('more', value(1))
    await db.object('things').delete('more')
    await expectWhole(db)
    await db.close()
    rmSync(join(directory, 'view-copy'), { recursive: true })
    const again = await open(directory)
    await expectWhole(again)
    await again.close()
  })
})

/** Flips bits of values, not of the index and footer at the end; in place, since LevelDB has the files mapped. */
function damageTables(directory: string): void {
  const tables = readdirSync(join(directory, 'view')).filter(name => name.endsWith('.ldb'))
  expect(tables.length).toBeGreaterThan(0)
  for (const name of tables) {
    const path = join(directory, 'view', name)
    const bytes = readFileSync(path)
    const file = openSync(path, 'r+')
    for (let at = 30_000; at < bytes.length * 0.8; at += 2_000) writeSync(file, Buffer.of(bytes[at]! ^ 0x55), 0, 1, at)
    closeSync(file)
  }
}

function overwrite(directory: string, pattern: RegExp, bytes: Buffer): void {
  for (const name of readdirSync(directory).filter(each => pattern.test(each)))
    writeFileSync(join(directory, name), bytes)
}
