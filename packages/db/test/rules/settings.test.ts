import { MemoryNetwork } from '@atolldb/testkit'
import { type Database, open } from 'atolldb'
import { describe, expect, onTestFinished, test } from 'vitest'
import { fsck, git, laterMillisecond, openCluster, settled, type TestNode } from '../replication/nodes.ts'
import { temporaryDirectory } from '../temporary.ts'

async function openAlone(): Promise<Database> {
  const db = await open(temporaryDirectory(), { storage: 'memory' })
  onTestFinished(() => db.close())
  return db
}

describe('settings of collections', () => {
  test('are changed member by member, for Objects and Lists apart, and survive a restart', async () => {
    const directory = temporaryDirectory()
    const before = await open(directory)
    expect(await before.settings('farms')).toEqual({})
    await before.configure('farms', { policy: 'keep' })
    expect(await before.configure('farms', { schema: { type: 'object' } })).toEqual({
      policy: 'keep',
      schema: { type: 'object' },
    })
    expect(await before.settings('farms', { kind: 'lists' })).toEqual({})
    expect(await before.configure('farms', { policy: null })).toEqual({ schema: { type: 'object' } })
    await before.close()
    const after = await open(directory)
    onTestFinished(() => after.close())
    expect(await after.settings('farms')).toEqual({ schema: { type: 'object' } })
    expect(await after.configure('farms', { schema: null })).toEqual({})
    expect(await after.collections()).toEqual([])
  })

  test.each([
    [{ policy: 'newest' }, /policy/],
    [{ policy: 'script:No' }, /policy/],
    [{ colour: 'red' }, /colour/],
    [{ schema: 7 }, /schema/],
    [{ schema: { type: 'objekt' } }, /schema/],
    [{ schema: { typ: 'object' } }, /typ/],
    [{ schema: { $ref: 'https://example.org/schema' } }, /\$ref/],
    [{ schema: { $defs: { a: { $ref: '#/$defs/a' } } } }, /itself/],
    [{ schema: { pattern: '(?=a)b' } }, /look-around/],
    [{ schema: { uniqueItems: true } }, /maxItems/],
    [{ schema: { properties: { ['__proto__']: { type: 'string' } } } }, /__proto__/],
  ])('%j are refused', async (change, message) => {
    const db = await openAlone()
    await expect(db.configure('farms', change as never)).rejects.toMatchObject({ code: 'INVALID', message })
    expect(await db.settings('farms')).toEqual({})
  })

  test('a schema whose references grow without end is refused', async () => {
    const db = await openAlone()
    const doubling = Object.fromEntries(
      Array.from({ length: 30 }, (_, i) => [`d${i}`, { anyOf: [1, 2].map(() => ({ $ref: `#/$defs/d${i + 1}` })) }]),
    )
    const schema = { $defs: { ...doubling, d30: true }, $ref: '#/$defs/d0' }
    await expect(db.configure('farms', { schema })).rejects.toMatchObject({ code: 'INVALID' })
  })

  test('a List has no policy, and a script must be there', async () => {
    const db = await openAlone()
    await expect(db.configure('readings', { policy: 'keep' }, { kind: 'lists' })).rejects.toMatchObject({
      code: 'INVALID',
    })
    await expect(db.configure('farms', { policy: 'script:sum' })).rejects.toMatchObject({ code: 'MISSING' })
  })
})

describe('a schema', () => {
  const schema = {
    type: 'object',
    required: ['crop'],
    properties: { crop: { enum: ['rye', 'oats'] }, code: { pattern: '^[A-Z]{2}-\\d+$' }, 'a/b': { type: 'number' } },
  }

  test('is what every local write is checked by, with the path and the rule', async () => {
    const db = await openAlone()
    await db.configure('farms', { schema })
    const farms = db.object<unknown>('farms')
    await farms.put('north', { crop: 'rye', code: 'AB-12' })
    const breaks = (path: string, rule: string) => ({ code: 'SCHEMA', data: { collection: 'farms', path, rule } })
    await expect(farms.put('south', { crop: 'wheat' })).rejects.toMatchObject(breaks('/crop', 'enum'))
    await expect(farms.create('south', {})).rejects.toMatchObject(breaks('', 'required'))
    await expect(farms.update('north', 7)).rejects.toMatchObject(breaks('', 'type'))
    await expect(farms.patch('north', { code: 'ab-12' })).rejects.toMatchObject(breaks('/code', 'pattern'))
    await expect(farms.patch('north', { 'a/b': '1' })).rejects.toMatchObject(breaks('/a~1b', 'type'))
    await expect(farms.put('north', Uint8Array.of(1))).rejects.toMatchObject(breaks('', 'type'))
    const batch = db.batch(tx => {
      tx.object('farms').put('east', { crop: 'oats' })
      tx.object<unknown>('farms').put('west', {})
    })
    await expect(batch).rejects.toMatchObject(breaks('', 'required'))
    expect(await farms.get('north')).toEqual({ crop: 'rye', code: 'AB-12' })
    expect(await farms.count()).toBe(1)
  })

  test('of a List checks what is inserted; of another collection nothing', async () => {
    const db = await openAlone()
    await db.configure('readings', { schema: { required: ['t'] } }, { kind: 'lists' })
    const readings = db.list<unknown>('readings')
    await readings.insert({ t: 1 })
    await expect(readings.insert({})).rejects.toMatchObject({ code: 'SCHEMA' })
    await expect(readings.insertMany([{ t: 1 }, { t: 2 }, 'x', {}])).rejects.toMatchObject({ code: 'SCHEMA' })
    expect(await readings.count()).toBe(1)
    await db.object('readings').put('a', {})
  })
})

/** Two nodes that write apart, and what comes of it when they meet. */
async function apart(nodes: readonly TestNode[], work: (db: Database, i: number) => Promise<unknown>): Promise<void> {
  for (const { db } of nodes) await db.offline()
  for (const [i, { db }] of nodes.entries()) {
    await laterMillisecond()
    await work(db, i)
  }
  for (const { db } of nodes) await db.online()
  await settled(...nodes)
  for (const node of nodes) fsck(node)
}

const conflictEntry = (node: TestNode, id: string): unknown => {
  const text = git(node, 'show', `main:objects/.atoll.conflicts.objects.farms/${id}.json`)
  return JSON.parse(text)
}

describe('what concurrent writes come to', () => {
  test('keep: one is shown, and a plain write fails until somebody decides', async () => {
    const nodes = await openCluster(new MemoryNetwork(), 2)
    const [{ db: a }, { db: b }] = nodes as [TestNode, TestNode]
    await a.configure('farms', { policy: 'keep' })
    await settled(...nodes)
    await apart(nodes, (db, i) => db.object('farms').put('north', { [`by${i}`]: i }))
    expect(await a.object('farms').get('north')).toEqual({ by1: 1 })
    expect(conflictEntry(nodes[0]!, 'north')).toMatchObject({ contested: true })
    const data = { what: 'farms/north', subject: 'kept-conflict' }
    await expect(a.object('farms').put('north', {})).rejects.toMatchObject({ code: 'CONFLICT', data })
    await expect(b.object('farms').delete('north')).rejects.toMatchObject({ code: 'CONFLICT', data })
    await expect(a.batch(tx => tx.object('farms').put('north', {}))).rejects.toMatchObject({ code: 'CONFLICT', data })
    await a.object('farms').put('south', {})
    // Who does not want to keep any more says so.
    await a.configure('farms', { policy: 'fields' })
    await a.object('farms').put('north', { decided: true })
    await settled(...nodes)
    expect(await b.object('farms').get('north')).toEqual({ decided: true })
  })

  test('script: what it returns; and where it fails, fields, with the reason', async () => {
    const nodes = await openCluster(new MemoryNetwork(), 2)
    const [{ db: a }, { db: b }] = nodes as [TestNode, TestNode]
    const sum = '(base, versions) => ({ n: versions.reduce((n, version) => n + version.n - base.n, base.n) })'
    await expect(a.scripts.put('sum', '42')).rejects.toMatchObject({ code: 'INVALID' })
    await a.scripts.put('sum', sum)
    expect(await a.scripts.get('sum')).toBe(sum)
    expect(await a.scripts.list()).toEqual(['sum'])
    await a.configure('farms', { policy: 'script:sum' })
    await a.object('farms').put('north', { n: 10 })
    await settled(...nodes)
    await apart(nodes, (db, i) => db.object('farms').put('north', { n: 11 + i }))
    expect(await b.object('farms').get('north')).toEqual({ n: 13 })
    expect(conflictEntry(nodes[1]!, 'north')).toMatchObject({ contested: false })

    expect(await a.scripts.delete('sum')).toBe(true)
    await settled(...nodes)
    await apart(nodes, (db, i) => db.object('farms').put('north', { [`by${i}`]: i }))
    expect(await b.object('farms').get('north')).toEqual({ by0: 0, by1: 1 })
    expect(conflictEntry(nodes[1]!, 'north')).toMatchObject({ contested: true, reason: 'script-missing' })
  })

  test('a merged value that breaks the schema is kept, and contested', async () => {
    const nodes = await openCluster(new MemoryNetwork(), 2)
    const [{ db: a }, { db: b }] = nodes as [TestNode, TestNode]
    await a.configure('farms', { schema: { maxProperties: 2 } })
    await a.object('farms').put('north', { crop: 'rye' })
    await settled(...nodes)
    await apart(nodes, (db, i) => db.object('farms').patch('north', { [`by${i}`]: i }))
    const merged = { crop: 'rye', by0: 0, by1: 1 }
    expect(await a.object('farms').get('north')).toEqual(merged)
    expect(await b.object('farms').get('north')).toEqual(merged)
    expect(conflictEntry(nodes[0]!, 'north')).toMatchObject({ contested: true, reason: 'schema' })
  })

  test('a value that takes too many steps to check is refused where it is written; merged it is kept, and contested', async () => {
    const nodes = await openCluster(new MemoryNetwork(), 2)
    const [{ db: a }, { db: b }] = nodes as [TestNode, TestNode]
    await a.configure('farms', { schema: { additionalProperties: { pattern: '^[a-z]*$' } } })
    const half = 'a'.repeat(100_000)
    const tooMuch = a.object('farms').put('north', { by0: half, by1: half })
    await expect(tooMuch).rejects.toMatchObject({ code: 'INVALID', message: /steps/ })
    await a.object('farms').put('north', {})
    await settled(...nodes)
    await apart(nodes, (db, i) => db.object('farms').patch('north', { [`by${i}`]: half }))
    expect(await b.object('farms').get('north')).toEqual({ by0: half, by1: half })
    for (const node of nodes)
      expect(conflictEntry(node, 'north')).toMatchObject({ contested: true, reason: 'schema-limits' })
  })
})
