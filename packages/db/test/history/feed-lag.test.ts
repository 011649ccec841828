import { cpSync } from 'node:fs'
import { setTimeout } from 'node:timers/promises'
import { MemoryNetwork, SeededRandom } from '@atolldb/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { type ChangesOptions, type Database, type FeedChange, open } from '../../src/index.ts'
import { openCluster, settled, type TestNode } from '../replication/nodes.ts'
import { temporaryDirectory } from '../temporary.ts'
import { collected } from './collected.ts'

/** Who reads the feed more slowly than others write: what was told from the journal and undone before its seal. */

/** So many seals come at once; after these, what is written waits. */
const QUICK_SEALS = 8

async function opened(directory: string): Promise<Database> {
  const db = await open(directory, { name: 'barn', durability: 'os', seal: { maxDelayMs: 60_000 } })
  onTestFinished(() => db.close())
  return db
}

/** A node that seals when it is told to. */
async function withoutQuickSeals(directory = temporaryDirectory()): Promise<Database> {
  const db = await opened(directory)
  for (let i = 0; i < QUICK_SEALS; i++) {
    await db.object('seals').put('number', i)
    while ((await db.status()).pending > 0) await setTimeout(1)
  }
  return db
}

interface Reader {
  next(): Promise<FeedChange>
}

function reader(db: Database, options: ChangesOptions = {}): Reader {
  const iterator = db.changes({ object: 'farms', ...options })[Symbol.asyncIterator]()
  onTestFinished(async () => void (await iterator.return?.()))
  return { next: async () => (await iterator.next()).value as FeedChange }
}

function words({ op, id, value }: FeedChange): string {
  return `${op} ${id} ${JSON.stringify(value)}`
}

function rest(db: Database, since: string): Promise<FeedChange[]> {
  return collected(db.changes({ object: 'farms', since, live: false }))
}

test('what was told and is undone by the commit that takes it is told as it is then', async () => {
  const db = await withoutQuickSeals()
  const farms = db.object<number>('farms')
  await farms.put('kept', 0)
  await db.flush()
  const live = reader(db)
  await farms.put('a', 1)
  const { cursor } = await live.next()
  await farms.put('kept', 1)
  const later = (await live.next()).cursor
  await farms.delete('a')
  await farms.put('kept', 0)
  await farms.put('b', 1)
  await db.flush()
  expect([words(await live.next()), words(await live.next()), words(await live.next())]).toEqual([
    'put b 1',
    'delete a undefined',
    'put kept 0',
  ])
  expect((await rest(db, cursor)).map(words)).toEqual(['put b 1', 'delete a undefined'])
  const told = await rest(db, later)
  expect(told.map(words)).toEqual(['put b 1', 'delete a undefined', 'put kept 0'])
  expect(told[1]).toMatchObject({ commit: undefined, origin: 'local', author: { node: db.node, name: 'barn' } })
  expect((await rest(db, told[1]!.cursor)).map(words)).toEqual(['put kept 0'])
  expect(await rest(db, told[2]!.cursor)).toEqual([])
})

test('what is undone to the last is told, though there is nothing to commit', async () => {
  const db = await withoutQuickSeals()
  const live = reader(db)
  await db.object('farms').put('a', 1)
  const { cursor } = await live.next()
  await db.object('farms').delete('a')
  await db.flush()
  expect(words(await live.next())).toBe('delete a undefined')
  expect((await rest(db, cursor)).map(words)).toEqual(['delete a undefined'])
})

test('JSON and the bytes of its text are two values', async () => {
  const db = await withoutQuickSeals()
  const farms = db.object<unknown>('farms')
  await farms.put('undone', 1)
  await db.flush()
  const live = reader(db)
  await farms.put('a', 1)
  const { cursor } = await live.next()
  await farms.put('undone', Uint8Array.of(0x31))
  await live.next()
  await farms.put('undone', 1)
  await farms.put('a', Uint8Array.of(0x31))
  await db.flush()
  expect(await live.next()).toMatchObject({ id: 'a', value: Uint8Array.of(0x31) })
  expect(await live.next()).toMatchObject({ id: 'undone', value: 1 })
  expect(await rest(db, cursor)).toMatchObject([{ id: 'a', value: Uint8Array.of(0x31) }])
})

test('what was told before a restart and undone is told after it', async () => {
  const directory = temporaryDirectory()
  let db = await withoutQuickSeals(directory)
  const live = reader(db)
  await db.object('farms').put('a', 1)
  const { cursor } = await live.next()
  await db.object('farms').delete('a')
  await db.object('farms').put('b', 1)
  await db.close()
  db = await opened(directory)
  await db.flush()
  expect((await rest(db, cursor)).map(words)).toEqual(['put b 1', 'delete a undefined'])
})

test('a cursor of a node hides nothing of what was written in its backup', async () => {
  const [directory, backup] = [temporaryDirectory(), temporaryDirectory()]
  await (await withoutQuickSeals(directory)).close()
  cpSync(directory, backup, { recursive: true })
  let db = await opened(directory)
  const live = reader(db)
  const write = (id: string): Promise<void> => db.batch(tx => tx.object('farms').put(id, 1))
  await write('lost')
  const { cursor } = await live.next()
  await db.close()
  db = await opened(backup)
  await write('new')
  expect((await rest(db, cursor)).map(words)).toEqual(['put new 1'])
  await db.flush()
  expect((await rest(db, cursor)).map(words)).toEqual(['put new 1'])
})

test('what others wrote is told after a seal that changed nothing', async () => {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  await a.db.object('farms').put('same', 1)
  await a.db.flush()
  await settled(a, b)
  const live = reader(a.db)
  await a.db.object('farms').put('same', 1)
  expect(words(await live.next())).toBe('put same 1')
  await a.db.flush()
  await b.db.object('farms').put('theirs', 1)
  await settled(a, b)
  expect(words(await live.next())).toBe('put theirs 1')
})

/** ATOLL_FEED_SEED repeats a run. */
const firstSeed = Number(process.env['ATOLL_FEED_SEED'] ?? 1)

/** What somebody has who applies what is told. */
class Follower {
  readonly records: Record<string, unknown> = {}
  cursor: string

  constructor(cursor: string) {
    this.cursor = cursor
  }

  async read(db: Database, count: number): Promise<void> {
    if (count === 0) return
    let left = count
    for await (const { id, op, value, cursor } of db.changes({ object: 'farms', since: this.cursor, live: false })) {
      if (op === 'delete') delete this.records[id]
      else this.records[id] = value
      this.cursor = cursor
      if (--left === 0) return
    }
  }
}

test.each([0, 1, 2, 3].map(offset => firstSeed + offset))(
  'readers that lag, stop and go on have all that is there whenever they have caught up (seed %i)',
  async seed => {
    const random = new SeededRandom(`feed ${seed}`)
    const directory = temporaryDirectory()
    let db = await withoutQuickSeals(directory)
    const followers = [0, 0, 0].map(() => new Follower(db.cursor()))
    const catchUp = async (follower: Follower): Promise<void> => {
      await follower.read(db, Infinity)
      expect(follower.records).toEqual(Object.fromEntries(await collected(db.object('farms').entries())))
    }
    const put = (): Promise<unknown> => db.object('farms').put(`farm-${random.below(3)}`, random.below(2))
    const steps: (() => Promise<unknown>)[] = [
      put,
      put,
      () => db.object('farms').delete(`farm-${random.below(3)}`),
      () =>
        db.batch(tx => {
          tx.object('farms').put(`farm-${random.below(3)}`, random.below(2))
          tx.object('farms').delete('farm-3')
          tx.object('farms').put('farm-4', random.below(2))
        }),
      () => followers[0]!.read(db, 1 + random.below(2)),
      () => followers[1]!.read(db, 1 + random.below(5)),
      () => catchUp(random.pick(followers)),
      async () => {
        if (random.chance(0.5)) await db.flush()
      },
      async () => {
        if (random.chance(0.8)) return
        await db.close()
        db = await opened(directory)
      },
    ]
    for (let step = 0; step < 150; step++) await random.pick(steps)()
    await db.flush()
    for (const follower of followers) await catchUp(follower)
  },
)
