import { cpSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Database, type OpenOptions, open } from '../src/index.ts'
import { Sealer } from '../src/engine/sealer.ts'
import { Journal } from '../src/journal/journal.ts'
import { FaultyFiles } from './faulty-files.ts'
import { fsck } from './replication/nodes.ts'
import { temporaryDirectory } from './temporary.ts'

/**
 * What each durability promises of a whole node: its journal lies on a disk that forgets what was not synced when the power goes.
 * Its view is kept as it was, which then knows more than the journal.
 */

const WRITES = 60
const openJournal = Journal.open.bind(Journal)
afterEach(() => vi.restoreAllMocks())

interface Writer {
  readonly db: Database
  readonly directory: string
  readonly files: FaultyFiles
  /** Ids, in the order in which they were acknowledged. */
  readonly acknowledged: string[]
}

/** A node that has sealed one record, and has some in its journal only. */
async function writer(durability: NonNullable<OpenOptions['durability']>): Promise<Writer> {
  const directory = join(temporaryDirectory(), 'data')
  const files = new FaultyFiles()
  vi.spyOn(Journal, 'open').mockImplementation((path, options) =>
    openJournal(path, { ...options, openFile: files.open }),
  )
  // Where a put takes long, it is a lone write, which a node seals by itself.
  vi.spyOn(Sealer.prototype, 'wake').mockReturnValue()
  const db = await open(directory, { durability })
  onTestFinished(() => db.close())
  const acknowledged: string[] = []
  const put = async (id: string): Promise<void> => {
    await db.object('farms').put(id, { id })
    acknowledged.push(id)
  }
  await put('flushed')
  await db.flush()
  // One group commit each, then several at once, and some that nobody is told of.
  for (let i = 0; i < WRITES / 2; i++) await put(`one ${i}`)
  await Promise.all(Array.from({ length: WRITES / 2 }, (_, i) => put(`group ${i}`)))
  return { db, directory, files, acknowledged }
}

/** The directory as an end of the process leaves it, and of the power too where there are `dice`. */
function crashed({ directory, files }: Writer, dice?: () => number): string {
  const copy = join(temporaryDirectory(), 'data')
  cpSync(directory, copy, { recursive: true })
  if (dice !== undefined) files.losePower(join(copy, 'journal'), dice, join(directory, 'journal'))
  return copy
}

/** Opens it twice, since the first time may leave something behind. Ids that are there. */
async function survivors(directory: string): Promise<Set<string>> {
  vi.restoreAllMocks()
  fsck({ directory })
  const found: string[][] = []
  for (let opening = 0; opening < 2; opening++) {
    const db = await open(directory)
    const ids: string[] = []
    for await (const [id, value] of db.object('farms').entries()) {
      expect(value).toEqual({ id })
      ids.push(id)
    }
    expect(await db.object('farms').count()).toBe(ids.length)
    found.push(ids)
    await db.close()
    fsck({ directory })
  }
  expect(found[1]).toEqual(found[0])
  return new Set(found[0])
}

function lostOf({ acknowledged }: Writer, there: ReadonlySet<string>): string[] {
  return acknowledged.filter(id => !there.has(id))
}

/** Dice that keep nothing which was not synced, everything, and what a seed says. */
const dice: readonly [what: string, dice: () => number][] = [
  ['nothing', () => 0.99],
  ['everything', () => 0],
  ...[1, 2, 3, 4].map((seed): [string, () => number] => [`what seed ${seed} says`, seeded(seed)]),
]

function seeded(seed: number): () => number {
  let state = seed
  return () => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return state / 2 ** 32
  }
}

describe.each(['sync', 'os'] as const)('%s', durability => {
  test('loses nothing when its process is killed', async () => {
    const node = await writer(durability)
    expect(lostOf(node, await survivors(crashed(node)))).toEqual([])
  })
})

describe.each(dice)('a power cut that keeps %s of what was not synced', (_, random) => {
  test('loses nothing that `sync` acknowledged', async () => {
    const node = await writer('sync')
    const unheard = node.db.object('farms').put('unheard', { id: 'unheard' })
    const directory = crashed(node, random)
    await unheard
    expect(lostOf(node, await survivors(directory))).toEqual([])
  })

  test('loses at most the end of what `os` acknowledged, and nothing that was flushed', async () => {
    const node = await writer('os')
    const lost = lostOf(node, await survivors(crashed(node, random)))
    expect(lost).toEqual(node.acknowledged.slice(node.acknowledged.length - lost.length))
    expect(lost).not.toContain('flushed')
  })
})

test('`os` syncs nothing but segments and what is flushed: with the power goes what is in the journal only', async () => {
  const node = await writer('os')
  const there = await survivors(crashed(node, () => 0.99))
  expect([...there]).toEqual(['flushed'])
})
