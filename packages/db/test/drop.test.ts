import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type Database, open } from '../src/index.ts'
import { temporaryDirectory } from './temporary.ts'

let db: Database

beforeEach(async () => {
  db = await open('unused', { storage: 'memory' })
  const opened = db
  onTestFinished(() => opened.close())
})

const numbered = (n: number, from = 0): number[] => Array.from({ length: n }, (_, i) => from + i)

describe('drop', () => {
  it('deletes every record of an Object, bytes and odd ids too, and nothing else', async () => {
    const farms = db.object<unknown>('farms')
    for (const id of ['', ' ', 'a/b', '🌾', 'con']) await farms.put(id, { id })
    await farms.put('photo', new Uint8Array([1]))
    await db.object('farms.old').put('north', 1)
    await db.list('farms').insert(1)
    expect(await db.drop(farms)).toEqual({ records: 6 })
    expect(await farms.count()).toBe(0)
    expect(await farms.get('🌾')).toBeUndefined()
    expect([await db.object('farms.old').count(), await db.list('farms').count()]).toEqual([1, 1])
    expect((await db.collections()).map(({ kind, name }) => `${kind}/${name}`)).toEqual([
      'lists/farms',
      'objects/farms.old',
    ])
    const { commit } = await db.flush()
    expect(await (await db.at(commit)).object('farms').count()).toBe(0)
  })

  it('takes a List by kind and name, and says 0 where there is nothing', async () => {
    await db.list('readings').insertMany([1, 2, 3])
    await db.object('readings').put('a', 1)
    expect(await db.drop({ kind: 'lists', name: 'readings' })).toEqual({ records: 3 })
    expect(await db.drop({ kind: 'lists', name: 'readings' })).toEqual({ records: 0 })
    expect(await db.drop({ kind: 'objects', name: 'nowhere' })).toEqual({ records: 0 })
    expect(await db.object('readings').count()).toBe(1)
  })

  it('deletes more than a commit holds, sealed or not', async () => {
    const readings = db.list<number>('readings')
    for (let i = 0; i < 12; i++) await readings.insertMany(numbered(1_000, i * 1_000))
    await db.flush()
    await readings.insertMany(numbered(500))
    const { commit: before } = await db.flush()
    expect(await db.drop(readings)).toEqual({ records: 12_500 })
    const { commit } = await db.flush()
    expect(await (await db.at(commit)).list('readings').count()).toBe(0)
    expect(await (await db.at(before)).list('readings').count()).toBe(12_500)
    const commits: string[] = []
    for await (const { commit: id } of db.log({ list: 'readings' })) commits.push(id)
    expect(commits.length).toBeGreaterThan(2)
  })

  it('takes the settings away, and what comes next follows the defaults', async () => {
    await db.scripts.put('sum', '(base, versions) => 1')
    await db.configure('farms', { policy: 'script:sum', schema: { type: 'object' } })
    await db.configure('farms', { schema: { type: 'number' } }, { kind: 'lists' })
    await db.object('farms').put('north', {})
    await db.drop(db.object('farms'))
    expect(await db.settings('farms')).toEqual({})
    expect(await db.settings('farms', { kind: 'lists' })).toEqual({ schema: { type: 'number' } })
    expect(await db.scripts.list()).toEqual(['sum'])
    const farms = db.object<unknown>('farms')
    await farms.put('north', 'now anything goes')
    expect(await farms.count()).toBe(1)
  })

  it('leaves alone what is written after it was called', async () => {
    const farms = db.object<unknown>('farms')
    await db.batch(tx => {
      for (const n of numbered(5_000)) tx.object('farms').put(String(n).padStart(4, '0'), n)
    })
    const dropping = db.drop(farms)
    await Promise.all([farms.put('4999', 'edited'), farms.put('5000', 'new')])
    expect(await dropping).toEqual({ records: 4_999 })
    const left: unknown[] = []
    for await (const [id, value] of farms.entries()) left.push([id, value])
    expect(left).toEqual([
      ['4999', 'edited'],
      ['5000', 'new'],
    ])
  })

  it('ends where it is aborted, and goes on when it is called again', async () => {
    const farms = db.object<unknown>('farms')
    await db.configure('farms', { policy: 'keep' })
    await db.batch(tx => {
      for (const n of numbered(5_000)) tx.object('farms').put(String(n), n)
    })
    const stop = new AbortController()
    const undo = farms.subscribe(() => stop.abort())
    await expect(db.drop(farms, { signal: stop.signal })).rejects.toMatchObject({ code: 'ABORTED' })
    undo()
    const left = await farms.count()
    expect(left).toBeGreaterThan(0)
    expect(left).toBeLessThan(5_000)
    expect(await db.settings('farms')).toEqual({ policy: 'keep' })
    expect(await db.drop(farms)).toEqual({ records: left })
    expect(await db.settings('farms')).toEqual({})
  })

  it('is durable', async () => {
    const directory = temporaryDirectory()
    const first = await open(directory)
    await first.object('farms').put('north', 1)
    await first.drop(first.object('farms'))
    await first.close()
    const second = await open(directory)
    onTestFinished(() => second.close())
    expect(await second.collections()).toEqual([])
  })

  it.each([
    [{ kind: 'tuples', name: 'farms' }],
    [{ kind: 'objects', name: 'Farms' }],
    [{ kind: 'objects', name: '.atoll.members' }],
    [{ kind: undefined, name: 'farms' }],
  ])('refuses %j', async target => {
    await db.object('farms').put('north', 1)
    await expect(db.drop(target as never)).rejects.toMatchObject({ code: 'INVALID' })
    expect(await db.object('farms').count()).toBe(1)
  })
})
