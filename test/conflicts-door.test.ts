import { AtollError } from '@atolldb/core'
import type { Conflict, ConflictOutcome, Database } from 'atolldb'
import { describe, expect, it } from 'vitest'
import { createClient } from '@atolldb/client'
import { createApp } from '@atolldb/server'

/** The routes of conflicts, through the client: what one says the other must read. */

const token = 'secret'
const version = 'e'.repeat(40)
const node = 'node'
const found = {
  kind: 'objects',
  collection: 'farms',
  id: 'a/b ?',
  version,
  contested: true,
  reason: 'script-failed',
  base: undefined,
  versions: [
    {
      commit: 'a'.repeat(40),
      author: { name: 'barn', node },
      time: new Date(1000),
      op: 'delete',
      value: undefined,
      version: undefined,
    },
    {
      commit: 'b'.repeat(40),
      author: { name: 'hut', node },
      time: new Date(2000),
      op: 'put',
      value: new Uint8Array([0, 255]),
      version,
    },
  ],
  chosen: null,
} as unknown as Conflict

function setUp() {
  const calls: unknown[] = []
  const db = {
    conflicts: (options: unknown = {}) => ({
      async *[Symbol.asyncIterator]() {
        calls.push(options)
        for (let i = 0; i < 150; i++) yield found
      },
      get: async ({ id }: { id: string }) => (id === found.id ? found : undefined),
      async resolve(target: { version?: string }, outcome: ConflictOutcome) {
        calls.push({ target, outcome })
        if (target.version === 'old')
          throw new AtollError('CONFLICT', 'another one', { what: 'farms', expected: 'old', actual: version })
        return { id: found.id, version: 'delete' in outcome ? undefined : version }
      },
    }),
  } as unknown as Database
  const app = createApp(db, { token })
  const client = createClient({ url: 'http://localhost', token, fetch: (url, request) => app.request(url, request) })
  const request = (path: string, init: { method?: string; body?: string } = {}) =>
    app.request(path, {
      ...init,
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
    })
  return { calls, client, request }
}

describe('/v1/conflicts', () => {
  it('lists what the library lists, through the client', async () => {
    const { client, calls } = setUp()
    const conflicts: unknown[] = []
    for await (const conflict of client.conflicts({ collection: 'farms', kind: 'objects', all: true, limit: 120 }))
      conflicts.push(conflict)
    expect(conflicts).toHaveLength(120)
    expect(conflicts[0]).toEqual(found)
    expect(calls).toMatchObject([{ collection: 'farms', kind: 'objects', all: true }])
  })

  it('answers a page as JSON, and refuses options that it does not know', async () => {
    const { request } = setUp()
    const { conflicts } = (await (await request('/v1/conflicts')).json()) as { conflicts: unknown[] }
    expect(conflicts).toHaveLength(100)
    expect(conflicts[0]).toMatchObject({
      base: null,
      versions: [{ op: 'delete' }, { bytes: 'AP8=' }],
      chosen: { value: null },
    })
    expect((await request('/v1/conflicts?kinds=objects')).status).toBe(400)
    expect((await request('/v1/conflicts?all=perhaps')).status).toBe(400)
  })

  it('gives one with its version as ETag, and MISSING where there is none', async () => {
    const { client, request } = setUp()
    expect(await client.conflicts().get(found)).toEqual(found)
    expect(await client.conflicts().get({ collection: 'farms', id: 'x' })).toBeUndefined()
    const response = await request(`/v1/conflicts/objects/farms/${encodeURIComponent(found.id)}`)
    expect(response.headers.get('etag')).toBe(`"${version}"`)
    expect((await request('/v1/conflicts/objects/farms/x')).status).toBe(404)
    expect((await request('/v1/conflicts/objects/farms')).status).toBe(400)
    expect((await request('/v1/conflicts/objects/farms/x?id=x')).status).toBe(400)
  })

  it('settles one, every way, upon the one that was looked at', async () => {
    const { client, calls } = setUp()
    const target = { kind: 'objects', collection: 'farms', id: found.id } as const
    const outcomes: ConflictOutcome[] = [
      { take: 'ours' },
      { commit: 'abcd' },
      { value: { crop: 'rye' } },
      { value: new Uint8Array([1, 255]) },
      { delete: true },
    ]
    for (const outcome of outcomes) {
      const expected = { id: found.id, version: 'delete' in outcome ? undefined : version }
      expect(await client.conflicts().resolve(target, outcome)).toEqual(expected)
    }
    expect(calls).toEqual(outcomes.map(outcome => ({ target, outcome })))
    // As the settings of a collection are listed.
    const settings = { kind: 'objects', collection: '.atoll.collections', id: 'objects/farms' } as const
    await client.conflicts().resolve(settings, { take: 'ours' })
    expect(calls.at(-1)).toEqual({ target: settings, outcome: { take: 'ours' } })
    await client.conflicts().resolve(found, { take: 'ours' })
    expect(calls.at(-1)).toEqual({ target: { ...target, version }, outcome: { take: 'ours' } })
  })

  it('answers 412 where it is another one by now, and 400 to what is no outcome', async () => {
    const { client, request } = setUp()
    await expect(client.conflicts().resolve({ ...found, version: 'old' }, { take: 'ours' })).rejects.toMatchObject({
      code: 'CONFLICT',
      status: 412,
      data: { actual: version },
    })
    for (const body of ['[]', '7', '{"bytes":"?"}', '{"bytes":7}'])
      expect((await request('/v1/conflicts/objects/farms/x', { method: 'POST', body })).status).toBe(400)
  })
})
