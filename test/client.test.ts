import { ClientError, createClient, type Client } from '@atolldb/client'
import { createApp } from '@atolldb/server'
import { open, type Database } from 'atolldb'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'

/** The client, the routes and the library together, in one process: what goes in comes out, and errors keep their codes. */

let db: Database
let client: Client

beforeAll(async () => {
  db = await open('./unused', { storage: 'memory', name: 'island' })
  const app = createApp(db, { token: 'token' })
  client = createClient({ url: 'http://localhost', token: 'token', fetch: (url, request) => app.request(url, request) })
})
afterAll(() => db.close())

async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ClientError)
  return (error as ClientError).code
}

describe('a client of a node', () => {
  it('writes and reads what the library would', async () => {
    const farms = client.object<{ crop: string; area?: number }>('farms')
    const { version } = await farms.put('north', { crop: 'rye' })
    expect(await db.object('farms').getRecord('north')).toEqual({ id: 'north', value: { crop: 'rye' }, version })
    const patched = await farms.patch('north', { area: 12 })
    expect(await farms.getRecord('north')).toEqual({
      id: 'north',
      value: { crop: 'rye', area: 12 },
      version: patched.version,
    })
    expect(await farms.getMany(['north', 'south'])).toEqual([{ crop: 'rye', area: 12 }, undefined])
    expect(await farms.count()).toBe(1)
    expect([await farms.delete('north'), await farms.delete('north')]).toEqual([true, false])
  })

  it('fails with the codes of the library', async () => {
    const farms = client.object<unknown>('codes')
    const { version } = await farms.create('a', 1)
    expect(await codeOf(farms.create('a', 1))).toBe('EXISTS')
    expect(await codeOf(farms.update('b', 1))).toBe('MISSING')
    expect(await codeOf(farms.patch('b', {}))).toBe('MISSING')
    expect(await codeOf(farms.update('a', 2, { ifVersion: '0'.repeat(40) }))).toBe('CONFLICT')
    expect(await codeOf(farms.put('a', 2, { ifVersion: '0'.repeat(40) }))).toBe('CONFLICT')
    expect(await codeOf(farms.delete('a', { ifVersion: '0'.repeat(40) }))).toBe('CONFLICT')
    // The version is compared before anything else, here and in the library: a missing record has none.
    for (const write of ['put', 'update', 'patch'] as const) {
      expect(await codeOf(farms[write]('nowhere', {}, { ifVersion: version }))).toBe('CONFLICT')
      await expect(db.object('codes')[write]('nowhere', {}, { ifVersion: version })).rejects.toMatchObject({
        code: 'CONFLICT',
      })
    }
    expect((await farms.put('a', 2, { ifVersion: version })).id).toBe('a')
    expect(await codeOf(farms.put('x'.repeat(513), 1))).toBe('TOO_LARGE')
    expect(await codeOf(farms.put('a', 'x'.repeat(1024 * 1024)))).toBe('TOO_LARGE')
    expect(await codeOf(farms.put('a', new Uint8Array(1024 * 1024 + 1)))).toBe('TOO_LARGE')
    expect(await codeOf(farms.put('a', '\ud800'))).toBe('INVALID')
    expect(await codeOf(client.object('No').put('a', 1))).toBe('INVALID')
    expect(await codeOf(client.object('.atoll.members').put('a', 1))).toBe('INVALID')
    expect(await codeOf(client.list('codes').delete('north'))).toBe('INVALID')
    let deep: unknown = 1
    for (let i = 0; i < 65; i++) deep = [deep]
    expect(await codeOf(farms.put('a', deep))).toBe('INVALID')
  })

  it('writes values of every legal depth, also in a batch', async () => {
    let deep: unknown = 1
    for (let i = 0; i < 64; i++) deep = [deep]
    await client.object<unknown>('deep').put('put', deep)
    await client.batch([{ op: 'put', object: 'deep', id: 'batch', value: deep }])
    expect(await client.object('deep').get('batch')).toEqual(deep)
  })

  it('takes any id and any value there and back', async () => {
    const records = client.object<unknown>('round-trip')
    const value = fc.oneof(fc.jsonValue({ maxDepth: 5 }), fc.uint8Array())
    await fc.assert(
      fc.asyncProperty(fc.string({ unit: 'grapheme', maxLength: 60 }), value, async (id, given) => {
        const expected = given instanceof Uint8Array ? given : (JSON.parse(JSON.stringify(given)) as unknown)
        await records.put(id, given)
        expect(await records.get(id)).toEqual(expected)
        expect(await records.delete(id)).toBe(true)
      }),
      { numRuns: 50 },
    )
  })

  it('lists ranges in order, bytes among them', async () => {
    const records = client.object<unknown>('ranges')
    const ids = Array.from({ length: 300 }, (_, i) => `r${String(i).padStart(3, '0')}`)
    await client.batch(ids.map(id => ({ op: 'put', object: 'ranges', id, value: { id } })))
    await records.put('r150', Uint8Array.of(1, 2, 3))
    const seen: string[] = []
    for await (const [id, value] of records.entries({ gte: 'r100', lt: 'r200', reverse: true })) {
      seen.push(id)
      expect(value).toEqual(id === 'r150' ? Uint8Array.of(1, 2, 3) : { id })
    }
    expect(seen).toEqual(ids.slice(100, 200).reverse())
    const first: string[] = []
    for await (const { id } of records.records({ limit: 3 })) first.push(id)
    expect(first).toEqual(ids.slice(0, 3))
  })

  it('inserts into Lists', async () => {
    const readings = client.list<{ t: number }>('readings')
    const id = await readings.insert({ t: 21.5 })
    const more = await readings.insertMany([{ t: 1 }, { t: 2 }])
    expect(await readings.get(id)).toEqual({ t: 21.5 })
    expect([id, ...more]).toEqual([id, ...more].sort())
    expect(await readings.delete(id)).toBe(true)
    expect(await readings.count()).toBe(2)
  })

  it('does a batch wholly or not at all', async () => {
    const work = client.batch([
      { op: 'put', object: 'batches', id: 'a', value: 1 },
      { op: 'update', object: 'batches', id: 'nowhere', value: 1 },
    ])
    await expect(work).rejects.toMatchObject({ code: 'MISSING', operation: 1 })
    expect(await client.object('batches').count()).toBe(0)
  })

  it('knows the node, its state and its history', async () => {
    expect(await client.node()).toEqual({ node: db.node, name: 'island', cluster: db.cluster })
    await client.object('farms').put('north', 1)
    const { commit } = await client.flush()
    const status = await client.status()
    expect(status).toMatchObject({ schema: 'atoll/status/v1', main: commit, pending: 0, state: 'alone' })
    expect(await client.compact()).toMatchObject({ packsAfter: 1 })
    const log = []
    for await (const entry of client.log({ limit: 2 })) log.push(entry)
    expect(log[0]).toMatchObject({ commit, type: 'data' })
    expect(log[0]?.time).toBeInstanceOf(Date)
    expect(await client.peers()).toEqual([])
    expect((await client.collections()).find(({ name }) => name === 'farms')).toEqual({
      name: 'farms',
      kind: 'objects',
      records: 1,
    })
    expect(await codeOf(client.sync({ timeout: 10 }))).toBe('TIMEOUT')
  })

  it('is refused with a wrong token', async () => {
    const app = createApp(db, { token: 'token' })
    const stranger = createClient({
      url: 'http://localhost',
      token: 'other',
      fetch: (url, request) => app.request(url, request),
    })
    expect(await codeOf(stranger.status())).toBe('NOT_ALLOWED')
  })
})
