import { readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { MemoryNetwork, SeededRandom } from '@atolldb/testkit'
import { expect, onTestFinished, test } from 'vitest'
import { type ChangesOptions, type Database, type FeedChange, open } from '../../src/index.ts'
import { openCluster, settled, type TestNode } from '../replication/nodes.ts'
import { temporaryDirectory } from '../temporary.ts'
import { collected } from './collected.ts'

/** What the feed tells up to now. */
function told(db: Database, options: ChangesOptions = {}): Promise<FeedChange[]> {
  return collected(db.changes({ ...options, live: false }))
}

function words(changes: readonly FeedChange[]): string[] {
  return changes.map(({ collection, op, id, value }) => `${collection} ${op} ${id} ${JSON.stringify(value)}`)
}

/** Reads along until so many changes have come. */
async function follow(db: Database, count: number, options: ChangesOptions = {}): Promise<FeedChange[]> {
  const found: FeedChange[] = []
  for await (const change of db.changes(options)) if (found.push(change) === count) break
  return found
}

async function opened(directory = temporaryDirectory()): Promise<Database> {
  const db = await open(directory, { name: 'barn', durability: 'os', seal: { maxDelayMs: 60_000 } })
  onTestFinished(() => db.close())
  return db
}

test('who reads along sees every write, in order, before it is sealed', async () => {
  const db = await opened()
  const farms = db.object<unknown>('farms')
  await farms.put('before', 0)
  const reading = follow(db, 5)
  await farms.put('north', 1)
  await farms.put('north', 2)
  await db.batch(tx => {
    tx.object('farms').put('a', 1)
    tx.object('farms').put('b', 1)
  })
  await farms.delete('north')
  const changes = await reading
  expect(words(changes)).toEqual([
    'farms put north 1',
    'farms put north 2',
    'farms put a 1',
    'farms put b 1',
    'farms delete north undefined',
  ])
  expect(changes[0]).toMatchObject({
    kind: 'objects',
    author: { node: db.node, name: 'barn' },
    commit: undefined,
    origin: 'local',
  })
  expect(changes[1]?.version).toBeDefined()
})

test('what was told is not told again by its commit; what was not, is', async () => {
  const db = await opened()
  const farms = db.object<unknown>('farms')
  const iterator = db.changes()[Symbol.asyncIterator]()
  await farms.put('north', 1)
  expect((await iterator.next()).value).toMatchObject({ id: 'north', value: 1 })
  await farms.put('south', 2)
  await db.flush()
  await farms.put('west', 3)
  const { value } = (await iterator.next()) as { value: FeedChange }
  expect(value).toMatchObject({
    id: 'south',
    commit: (await db.log({ limit: 1 })[Symbol.asyncIterator]().next()).value.commit,
  })
  expect((await iterator.next()).value).toMatchObject({ id: 'west', commit: undefined })
  await iterator.return?.()
})

test('what was told while a commit without it was made is not told again by the commit that holds it', async () => {
  const db = await opened()
  const numbers = db.object<number>('numbers')
  const iterator = db.changes()[Symbol.asyncIterator]()
  const next = async (): Promise<unknown> => ((await iterator.next()).value as FeedChange).value
  // Whether a write overtakes a commit is for the disk to say: mostly it does.
  for (let n = 0; n < 60; n += 3) {
    await numbers.put('first', n)
    expect(await next()).toBe(n)
    const flushed = db.flush()
    await setImmediate()
    await numbers.put('second', n + 1)
    expect(await next()).toBe(n + 1)
    await flushed
    await numbers.put('third', n + 2)
    await db.flush()
    expect(await next()).toBe(n + 2)
  }
  await iterator.return?.()
})

test('a reader goes on where it was, over a restart too, and is told nothing twice', async () => {
  const directory = temporaryDirectory()
  let db = await opened(directory)
  const cursors = [db.cursor()]
  const expected: string[][] = []
  const step = async (work: () => Promise<unknown>, ...changes: string[]): Promise<void> => {
    await work()
    for (const list of expected) list.push(...changes)
    expected.push([])
    cursors.push(db.cursor())
  }
  expected.push([])
  const farms = (): ReturnType<typeof db.object> => db.object('farms')
  await step(() => farms().put('north', 1), 'farms put north 1')
  await step(() => db.flush())
  await step(() => farms().put('south', 2), 'farms put south 2')
  await step(async () => {
    await db.close()
    db = await opened(directory)
  })
  await step(() => farms().delete('north'), 'farms delete north undefined')
  await step(() => db.flush())
  await step(() => db.list('readings').insert(7))
  const id = (await collected(db.list('readings').keys()))[0]
  for (const list of expected.slice(0, -1)) list.push(`readings put ${id} 7`)
  for (const [i, since] of cursors.entries()) expect(words(await told(db, { since }))).toEqual(expected[i])
  const farmsOnly = await told(db, { since: cursors[0]!, object: 'farms' })
  expect(farmsOnly.map(change => change.id)).toEqual(['north', 'south', 'north'])
  expect(words(await told(db, { since: '0' }))).toEqual(expected[0])
})

test('merged changes come in the order in which they became visible, with who made them', async () => {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  await a.db.object('farms').put('shared', { crop: 'rye' })
  await settled(a, b)
  const since = a.db.cursor()
  await a.db.offline()
  await a.db.object('farms').patch('shared', { area: 1 })
  await b.db.object('farms').patch('shared', { crop: 'oats' })
  await b.db.object('farms').put('theirs', 1)
  await b.db.object('farms').put('gone', 1)
  await b.db.object('farms').delete('gone')
  const { commit } = await b.db.flush()
  await a.db.flush()
  await a.db.online()
  await settled(a, b)
  const changes = await told(a.db, { since })
  expect(words(changes)).toEqual([
    'farms put shared {"area":1,"crop":"rye"}',
    'farms put shared {"area":1,"crop":"oats"}',
    'farms put theirs 1',
  ])
  expect(changes.map(({ origin, author }) => [origin, author?.node])).toEqual([
    ['local', a.db.node],
    ['remote', b.db.node],
    ['remote', b.db.node],
  ])
  expect(changes[2]?.commit).toBe(commit)
})

/** ATOLL_FEED_SEED repeats a run, or takes another. */
const seed = Number(process.env['ATOLL_FEED_SEED'] ?? 1)

test(`from every cursor on, what is told leads to the state of the end (seed ${seed})`, async () => {
  const random = new SeededRandom(`cursors ${seed}`)
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  const stop = new AbortController()
  const live: FeedChange[] = []
  const reading = (async () => {
    for await (const change of a.db.changes({ since: '0', signal: stop.signal })) live.push(change)
  })().catch((error: unknown) => expect(error).toMatchObject({ code: 'ABORTED' }))
  for (let step = 0; step < 60; step++) {
    const { db } = random.below(2) === 0 ? a : b
    const id = `farm-${random.below(6)}`
    if (random.below(4) === 0) await db.object('farms').delete(id)
    else await db.object('farms').put(id, { step })
    if (random.below(5) === 0) await db.flush()
    if (random.below(15) === 0) await settled(a, b)
  }
  await settled(a, b)
  const end = Object.fromEntries(await collected(a.db.object('farms').entries()))
  const all = await told(a.db, { since: '0' })
  stop.abort()
  await reading
  for (const changes of [all, live])
    for (let cut = 0; cut < changes.length; cut++) {
      const records: Record<string, unknown> = {}
      const rest = await told(a.db, { since: changes[cut]!.cursor })
      for (const { id, op, value } of [...changes.slice(0, cut + 1), ...rest])
        if (op === 'delete') delete records[id]
        else records[id] = value
      expect(records, `cut at ${cut}`).toEqual(end)
    }
})

test('a cursor of elsewhere is an error, and so is no cursor at all', async () => {
  const db = await opened()
  await db.object('farms').put('north', 1)
  await db.flush()
  const foreign = db.cursor().replace(/[0-9a-f]{40}$/, 'f'.repeat(40))
  await expect(told(db, { since: foreign })).rejects.toMatchObject({ code: 'MISSING', data: { what: 'cursor' } })
  expect(() => db.changes({ since: 'yesterday' })).toThrow(expect.objectContaining({ code: 'INVALID' }))
})

test.each(['gone', 'torn', 'damaged'])('where the record of moves is %s, nothing is missed', async harm => {
  const directory = temporaryDirectory()
  let db = await opened(directory)
  await db.object('farms').put('north', 1)
  await db.flush()
  const since = db.cursor()
  await db.object('farms').put('south', 2)
  await db.flush()
  await db.object('farms').put('west', 3)
  await db.close()
  const file = join(directory, 'state/moves')
  const bytes = readFileSync(file)
  if (harm === 'gone') truncateSync(file)
  else if (harm === 'torn') truncateSync(file, bytes.length - 50)
  else writeFileSync(file, bytes.fill(0, 36, 80))
  db = await opened(directory)
  expect(words(await told(db, { since }))).toEqual(['farms put south 2', 'farms put west 3'])
})

test('whoever waits is told of the end', async () => {
  const db = await opened()
  const waiting = collected(db.changes()).catch((error: unknown) => error)
  await db.close()
  expect(await waiting).toMatchObject({ code: 'CLOSED' })
})
