import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Database, type ObjectCollection, open } from '../src/index.ts'

let db: Database
let farms: ObjectCollection<unknown>

beforeEach(async () => {
  const log = vi.fn()
  db = await open('unused', { storage: 'memory', log })
  const opened = db
  onTestFinished(() => opened.close())
  farms = db.object('farms')
})

const deep = (depth: number): unknown => {
  let value: unknown = 1
  for (let i = 0; i < depth; i++) value = [value]
  return value
}
const cyclic: unknown[] = []
cyclic.push(cyclic)

const badValues: [string, unknown, string][] = [
  ['undefined', undefined, 'INVALID'],
  ['a function', () => 1, 'INVALID'],
  ['a symbol inside', { a: Symbol('a') }, 'INVALID'],
  ['a bigint', 1n, 'INVALID'],
  ['NaN', Number.NaN, 'INVALID'],
  ['an infinite number', { a: [Infinity] }, 'INVALID'],
  ['a lone surrogate', '\ud800', 'INVALID'],
  ['a lone surrogate in a key', { '\udc00': 1 }, 'INVALID'],
  ['a date', { at: new Date() }, 'INVALID'],
  ['a map', new Map(), 'INVALID'],
  ['bytes inside', { a: new Uint8Array(1) }, 'INVALID'],
  ['65 levels', deep(65), 'INVALID'],
  ['100,000 levels', deep(100_000), 'INVALID'],
  ['itself', cyclic, 'INVALID'],
  ['more than 1 MiB of JSON', 'x'.repeat(1024 * 1024), 'TOO_LARGE'],
  ['more than 1 MiB of bytes', new Uint8Array(1024 * 1024 + 1), 'TOO_LARGE'],
]

const badIds: [string, unknown, string][] = [
  ['a number', 7, 'INVALID'],
  ['undefined', undefined, 'INVALID'],
  ['null', null, 'INVALID'],
  ['a lone surrogate', 'a\ud800', 'INVALID'],
  ['513 bytes', 'x'.repeat(513), 'TOO_LARGE'],
  ['513 bytes in few characters', `${'😀'.repeat(128)}x`, 'TOO_LARGE'],
]

describe('bad input', () => {
  test.each(badValues)('a value that is %s is refused by every door', async (_, value, code) => {
    await farms.put('a', { kept: true })
    const sessions = db.tuple<unknown>('sessions')
    await sessions.put('a', { kept: true })
    const calls = [
      () => farms.put('a', value),
      () => farms.create('b', value),
      () => farms.update('a', value),
      () => farms.patch('a', { part: value }),
      () => db.batch(tx => tx.object<unknown>('farms').put('a', value)),
      () => db.batch(tx => tx.object('farms').patch('a', { part: value })),
      () => db.batch(tx => tx.list<unknown>('list').insert(value)),
      () => db.list<unknown>('list').insert(value),
      () => db.list<unknown>('list').insertMany([1, value]),
      () => sessions.put('a', value),
      () => sessions.patch('a', { part: value }),
    ]
    for (const call of calls) {
      const isMember = String(call).includes('part')
      // A member that is undefined is left out, as JSON.stringify does.
      if (value === undefined && isMember) continue
      // Bytes are a value of their own: inside another they are no JSON, of whatever size.
      const isBytes = value instanceof Uint8Array && (isMember || String(call).includes('list'))
      const expected: unknown = isBytes ? expect.stringMatching(/^(INVALID|TOO_LARGE)$/) : code
      await expect(call(), String(call)).rejects.toMatchObject({ code: expected })
    }
    expect(await farms.get('a')).toEqual({ kept: true })
    expect(await sessions.get('a')).toEqual({ kept: true })
    expect([await farms.count(), await db.list('list').count()]).toEqual([1, 0])
  })

  test.each(badIds)('an id that is %s is refused by every door', async (_, id, code) => {
    const key = id as string
    const calls = [
      () => farms.put(key, 1),
      () => farms.get(key),
      () => farms.getMany([key]),
      () => farms.getRecord(key),
      () => farms.delete(key),
      () => db.batch(tx => tx.object('farms').get(key)),
      () => db.batch(tx => tx.object('farms').delete(key)),
      () => db.tuple('sessions').put(key, 1),
      ...(id === undefined
        ? []
        : [async () => farms.entries({ gte: key }), async () => db.tuple('sessions').entries({ lt: key })]),
    ]
    for (const call of calls) await expect(call(), String(call)).rejects.toMatchObject({ code })
    await expect(db.list('list').delete(key)).rejects.toMatchObject({ code: 'INVALID' })
  })

  test.each(['', 'Farms', '.farms', 'a/b', '.atoll.members', 'x'.repeat(65), 7, undefined])(
    'the collection name %j is INVALID',
    async name => {
      const bad = name as string
      expect(() => db.object(bad)).toThrow(expect.objectContaining({ code: 'INVALID' }))
      expect(() => db.list(bad)).toThrow(expect.objectContaining({ code: 'INVALID' }))
      expect(() => db.tuple(bad)).toThrow(expect.objectContaining({ code: 'INVALID' }))
      await expect(db.batch(tx => tx.object(bad).put('a', 1))).rejects.toMatchObject({ code: 'INVALID' })
    },
  )

  test.each([-1, 1.5, Number.NaN])('the limit %d is INVALID', limit => {
    expect(() => farms.entries({ limit })).toThrow(expect.objectContaining({ code: 'INVALID' }))
    expect(() => db.tuple('t').entries({ limit })).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })

  test('absence and presence are told by code', async () => {
    await expect(farms.update('north', 1)).rejects.toMatchObject({ code: 'MISSING', data: { id: 'north' } })
    await expect(farms.patch('north', {})).rejects.toMatchObject({ code: 'MISSING' })
    await farms.create('north', 1)
    await expect(farms.create('north', 2)).rejects.toMatchObject({ code: 'EXISTS', data: { id: 'north' } })
    expect(await farms.delete('south')).toBe(false)
    expect(await farms.get('south')).toBeUndefined()
    for (const patch of [null, 1, 'a', [1], new Uint8Array(1)])
      await expect(farms.patch('north', patch)).rejects.toMatchObject({ code: 'INVALID' })
  })

  test('a version that is not the record’s is a CONFLICT', async () => {
    const { version } = await farms.put('north', 1)
    await farms.put('north', 2, { ifVersion: version })
    for (const method of ['put', 'update', 'patch'] as const)
      await expect(farms[method]('north', {}, { ifVersion: version })).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(farms.delete('north', { ifVersion: version })).rejects.toMatchObject({ code: 'CONFLICT' })
    await expect(farms.put('south', 1, { ifVersion: version })).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await farms.get('north')).toBe(2)
  })

  test('a write whose caller gave up is ABORTED', async () => {
    const signal = AbortSignal.abort()
    await expect(farms.put('a', 1, { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(db.list('list').insert(1, { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await expect(db.tuple('t').delete('a', { signal })).rejects.toMatchObject({ code: 'ABORTED' })
    await farms.put('a', 1)
    const steps = farms.entries({ signal })[Symbol.asyncIterator]()
    await expect(steps.next()).rejects.toMatchObject({ code: 'ABORTED' })
  })
})

describe('values', () => {
  test('with members called __proto__ are data like any other', async () => {
    const value: unknown = JSON.parse('{"__proto__":{"polluted":1},"constructor":2,"a":{"__proto__":3}}')
    await farms.put('a', value)
    const read = (await farms.get('a')) as object
    expect(JSON.stringify(read)).toBe('{"__proto__":{"polluted":1},"a":{"__proto__":3},"constructor":2}')
    expect(Object.getPrototypeOf(read)).toBe(Object.prototype)
    await farms.patch('a', JSON.parse('{"__proto__":{"more":1},"a":{"__proto__":null},"constructor":null}'))
    expect(JSON.stringify(await farms.get('a'))).toBe('{"__proto__":{"more":1,"polluted":1},"a":{}}')
    expect(({} as { polluted?: unknown; more?: unknown }).polluted).toBeUndefined()
    expect(({} as { polluted?: unknown; more?: unknown }).more).toBeUndefined()
  })

  test('are copies, going in and coming out', async () => {
    const value = { list: [1] }
    const bytes = Uint8Array.of(1, 2)
    const writes = [farms.put('json', value), farms.put('bytes', bytes)]
    value.list.push(2)
    bytes[0] = 9
    await Promise.all(writes)
    for (let round = 0; round < 2; round++) {
      const json = (await farms.get('json')) as { list: number[] }
      const read = (await farms.get('bytes')) as Uint8Array
      expect([json, read]).toEqual([{ list: [1] }, Uint8Array.of(1, 2)])
      json.list.push(3)
      read[0] = 7
      await farms.count()
    }
  })

  test('have one version each: that of git', async () => {
    const { version } = await farms.put('a', { b: 1, a: -0 })
    // printf '{"a":0,"b":1}' | git hash-object --stdin
    expect(version).toBe('423b40aae471db561fdcd8464e766c9d8e81a351')
    expect((await farms.put('b', JSON.parse('{"a":0,"b":1}'))).version).toBe(version)
    expect((await farms.getRecord('a'))?.version).toBe(version)
  })

  test('of a tuple live as long as they are told to', async () => {
    let nowMs = 1_000
    const environment = {
      nowMs: () => Date.now(),
      monotonicMs: () => nowMs,
      randomBytes: (n: number) => new Uint8Array(n),
    }
    const timed = await open('unused', { storage: 'memory', environment })
    const sessions = timed.tuple<unknown>('sessions', { ttl: 100 })
    await sessions.put('a', 1)
    nowMs += 60
    await sessions.put('b', 2)
    expect([await sessions.get('a'), await sessions.count()]).toEqual([1, 2])
    nowMs += 60
    expect([await sessions.get('a'), await sessions.get('b'), await sessions.count()]).toEqual([undefined, 2, 1])
    await sessions.create('a', 3)
    expect(timed.tuple('sessions')).toBe(sessions)
    expect(() => timed.tuple('other', { ttl: 0 })).toThrow(expect.objectContaining({ code: 'INVALID' }))
    await timed.close()
  })
})

describe('a batch', () => {
  test('reads what it wrote, and lands whole', async () => {
    await farms.put('a', { n: 1 })
    const result = await db.batch(async tx => {
      const things = tx.object<unknown>('farms')
      await Promise.all([things.patch('a', { m: 2 }), things.patch('a', { k: 3 })])
      await things.create('b', 1)
      await expect(things.create('b', 2)).rejects.toMatchObject({ code: 'EXISTS' })
      things.delete('b')
      await expect(things.update('b', 2)).rejects.toMatchObject({ code: 'MISSING' })
      const id = tx.list('list').insert(1)
      expect(await tx.list('list').get(id)).toBe(1)
      return things.get('a')
    })
    expect(result).toEqual({ n: 1, m: 2, k: 3 })
    expect(await farms.get('a')).toEqual({ n: 1, m: 2, k: 3 })
    expect([await farms.count(), await db.list('list').count()]).toEqual([1, 1])
  })

  test('fails with CONFLICT when what it read has changed, and then nothing happened', async () => {
    await farms.put('a', 1)
    const add = (): Promise<void> =>
      db.batch(async tx => {
        const n = (await tx.object<number>('farms').get('a')) ?? 0
        await new Promise(resolve => setImmediate(resolve))
        tx.object<number>('farms').put('a', n + 1)
        tx.object<number>('farms').put(`${n}`, n)
      })
    const results = await Promise.allSettled(Array.from({ length: 5 }, add))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    for (const result of results)
      if (result.status === 'rejected') expect(result.reason).toMatchObject({ code: 'CONFLICT' })
    expect([await farms.get('a'), await farms.count()]).toEqual([2, 2])
  })

  test('that only read fails too when that was not one state', async () => {
    await Promise.all([farms.put('a', 1), farms.put('b', 1)])
    const reading = db.batch(async tx => {
      const a = await tx.object('farms').get('a')
      await Promise.all([farms.put('a', 2), farms.put('b', 2)])
      return [a, await tx.object('farms').get('b')]
    })
    await expect(reading).rejects.toMatchObject({ code: 'CONFLICT' })
  })

  test('beyond 10,000 changes or 16 MiB is TOO_LARGE, and nothing of it is there', async () => {
    const many = db.batch(tx => {
      for (let i = 0; i <= 10_000; i++) tx.object('farms').put(`${i}`, i)
    })
    await expect(many).rejects.toMatchObject({ code: 'TOO_LARGE' })
    const large = db.batch(tx => {
      for (let i = 0; i < 17; i++) tx.object<unknown>('farms').put(`${i}`, new Uint8Array(1024 * 1024))
    })
    await expect(large).rejects.toMatchObject({ code: 'TOO_LARGE' })
    await expect(db.list<number>('list').insertMany(Array.from({ length: 10_001 }, () => 1))).rejects.toMatchObject({
      code: 'TOO_LARGE',
    })
    expect([await farms.count(), await db.list('list').count()]).toEqual([0, 0])
    await db.batch(tx => {
      for (let i = 0; i < 10_000; i++) tx.object('farms').put(`${i}`, i)
    })
    await db.flush()
    const [last] = await collect(db.log({ limit: 1 }))
    expect(last?.subject).toBe('farms +10000')
  })

  test('takes nothing after its end', async () => {
    let later: (() => void) | undefined
    await db.batch(tx => {
      later = () => tx.object('farms').put('late', 1)
    })
    expect(later).toThrow(expect.objectContaining({ code: 'CLOSED' }))
    expect(await farms.get('late')).toBeUndefined()
  })
})

describe('lists', () => {
  test('keep the order of insertion, and take ids and bounds in either case', async () => {
    const list = db.list<number>('list')
    const ids = [...(await list.insertMany([1, 2, 3])), await list.insert(4)]
    expect(ids.toSorted()).toEqual(ids)
    expect(await list.get(ids[1]!.toUpperCase())).toBe(2)
    expect(await collect(list.entries({ gt: ids[0]!.toUpperCase(), lte: ids[2]!.toUpperCase() }))).toEqual([
      [ids[1], 2],
      [ids[2], 3],
    ])
    expect(await list.delete(ids[1]!.toUpperCase())).toBe(true)
    expect((await collect(list.entries({ reverse: true }))).map(([, value]) => value)).toEqual([4, 3, 1])
  })
})

describe('a range', () => {
  test('is of the moment it was asked for', async () => {
    for (let i = 0; i < 600; i++) await farms.put(String(i).padStart(3, '0'), i)
    await farms.count()
    await farms.put('000', 'changed')
    const entries = farms.entries()
    await Promise.all([farms.put('300', 'later'), farms.delete('301'), farms.put('2995', 'new')])
    await farms.count()
    const found = await collect(entries)
    expect(found).toHaveLength(600)
    expect([found[0], found[300], found[301]]).toEqual([
      ['000', 'changed'],
      ['300', 300],
      ['301', 301],
    ])
  })
})

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}
