import { AtollError, corrupt, MAX_ID_BYTES, MAX_VALUE_BYTES, type ErrorCode } from '@atolldb/core'
import { beforeEach, describe, expect, it } from 'vitest'
import { createApp } from '../src/app.ts'
import { fakeDatabase, versionOf, type FakeDatabase } from './fake-database.ts'

const token = 'a token'
let db: FakeDatabase
let app: ReturnType<typeof createApp>

beforeEach(() => {
  db = fakeDatabase()
  app = createApp(db, { token, allowedHosts: ['barn.example'] })
})

interface Init {
  method?: string
  headers?: Record<string, string>
  body?: string | Uint8Array
  json?: unknown
}

async function call(path: string, { method = 'GET', headers = {}, body, json }: Init = {}): Promise<Response> {
  const content = json === undefined ? body : JSON.stringify(json)
  const type = json === undefined ? {} : { 'content-type': 'application/json' }
  return app.request(`http://localhost${path}`, {
    method,
    headers: { authorization: `Bearer ${token}`, ...type, ...headers },
    ...(content === undefined ? {} : { body: content as string }),
  })
}

async function problem(
  response: Response,
): Promise<{ status: number; code: string; data: unknown; operation?: number }> {
  expect(response.headers.get('content-type')).toBe('application/problem+json')
  return (await response.json()) as never
}

describe('who may pass', () => {
  it.each([undefined, 'Bearer', 'Bearer wrong', `Basic ${token}`, `Bearer ${token}x`, `Bearer ${token.slice(0, -1)}`])(
    'refuses authorization %s',
    async authorization => {
      const response = await app.request('http://localhost/v1/status', {
        headers: authorization === undefined ? {} : { authorization },
      })
      expect(await problem(response)).toMatchObject({ status: 401, code: 'NOT_ALLOWED' })
      expect(response.headers.get('www-authenticate')).toContain('Bearer')
    },
  )

  it.each(['localhost', 'localhost:7400', '127.0.0.1:7400', '[::1]:7400', 'barn.example', 'BARN.example:80'])(
    'answers to the host %s',
    async host => {
      expect((await call('/v1/status', { headers: { host } })).status).toBe(200)
    },
  )

  it.each(['evil.example', 'evil.example:7400', 'localhost.evil.example', '127.0.0.1.evil.example', '10.0.0.1', ''])(
    'refuses the host %s before it looks at anything else',
    async host => {
      for (const path of ['/v1/status', '/livez', '/nowhere'])
        expect(await problem(await call(path, { headers: { host } }))).toMatchObject({
          status: 403,
          code: 'NOT_ALLOWED',
        })
    },
  )

  it('lets probes in without a token, and tells them nothing', async () => {
    for (const path of ['/livez', '/readyz'])
      expect(await (await app.request(`http://localhost${path}`)).text()).toBe('ok\n')
  })

  it('has no CORS headers', async () => {
    const response = await call('/v1/status', { headers: { origin: 'https://evil.example' } })
    expect([...response.headers.keys()].filter(name => name.startsWith('access-control'))).toEqual([])
    expect((await call('/v1/status', { method: 'OPTIONS' })).status).toBe(404)
  })
})

describe('objects', () => {
  it('puts, gets, patches and deletes', async () => {
    const put = await call('/v1/objects/farms/north', { method: 'PUT', json: { crop: 'rye' } })
    const version = versionOf({ crop: 'rye' })
    expect(put.status).toBe(200)
    expect(put.headers.get('etag')).toBe(`"${version}"`)
    expect(await put.json()).toEqual({ id: 'north', version })

    const get = await call('/v1/objects/farms/north')
    expect(get.headers.get('etag')).toBe(`"${version}"`)
    expect(get.headers.get('content-type')).toBe('application/json')
    expect(await get.json()).toEqual({ crop: 'rye' })
    const head = await call('/v1/objects/farms/north', { method: 'HEAD' })
    expect([head.status, head.headers.get('etag'), await head.text()]).toEqual([200, `"${version}"`, ''])

    await call('/v1/objects/farms/north', { method: 'PATCH', json: { area: 12 } })
    expect(await (await call('/v1/objects/farms?id=north')).json()).toEqual({ crop: 'rye', area: 12 })
    expect(await (await call('/v1/count/objects/farms')).json()).toEqual({ count: 1 })
    expect(await (await call('/v1/objects/farms/north', { method: 'DELETE' })).json()).toEqual({ deleted: true })
    expect(await (await call('/v1/objects/farms/north', { method: 'DELETE' })).json()).toEqual({ deleted: false })
    expect(await problem(await call('/v1/objects/farms/north'))).toMatchObject({ status: 404, code: 'MISSING' })
  })

  it('keeps bytes as bytes', async () => {
    const body = Uint8Array.from({ length: 256 }, (_, i) => i)
    const headers = { 'content-type': 'application/octet-stream' }
    await call('/v1/objects/photos/a', { method: 'PUT', headers, body })
    const response = await call('/v1/objects/photos/a')
    expect(response.headers.get('content-type')).toBe('application/octet-stream')
    expect(new Uint8Array(await response.arrayBuffer())).toEqual(body)
    expect(await (await call('/v1/objects/photos')).json()).toEqual({
      records: [{ id: 'a', bytes: Buffer.from(body).toString('base64'), version: versionOf(body) }],
    })
  })

  it.each([
    '',
    '.',
    '..',
    '/',
    'a/b',
    '../x',
    ' ',
    '%2F',
    '?',
    '#',
    '&id=x',
    '+',
    'é',
    '🌾',
    'CON',
    '\u0000',
    '__proto__',
  ])('takes the id %j as ?id=', async id => {
    const path = `/v1/objects/farms?id=${encodeURIComponent(id)}`
    expect((await call(path, { method: 'PUT', json: { id } })).status).toBe(200)
    expect(await (await call(path)).json()).toEqual({ id })
    const { records } = (await (await call('/v1/objects/farms')).json()) as { records: { id: string }[] }
    expect(records.map(record => record.id)).toEqual([id])
  })

  it('takes escaped ids in the path', async () => {
    await call('/v1/objects/farms/a%2Fb%20c', { method: 'PUT', json: 1 })
    expect(await (await call('/v1/objects/farms?id=a/b+c')).json()).toBe(1)
  })

  it.each([
    ['/v1/objects/farms?id=%ff', 400],
    ['/v1/objects/farms?id=%E0%80', 400],
    ['/v1/objects/farms?id=a&id=b', 400],
    ['/v1/objects/farms/a?id=b', 400],
    ['/v1/objects/farms?id=a&nonsense=1', 400],
    [`/v1/objects/farms?id=${'x'.repeat(MAX_ID_BYTES + 1)}`, 413],
    ['/v1/objects/Farms?id=a', 400],
    ['/v1/objects/.atoll.members?id=a', 400],
    [`/v1/objects/${'x'.repeat(65)}?id=a`, 400],
    ['/v1/objects/__proto__?id=a', 400],
    ['/v1/tuples/farms', 404],
    ['/v1/nonsense', 404],
    ['/', 404],
  ])('refuses %s with %i', async (path, status) => {
    expect(await problem(await call(path))).toMatchObject({ status })
  })

  describe('preconditions', () => {
    it('creates with If-None-Match: *, once', async () => {
      const init = { method: 'PUT', json: 1, headers: { 'if-none-match': '*' } }
      expect((await call('/v1/objects/farms/a', init)).status).toBe(201)
      expect(await problem(await call('/v1/objects/farms/a', init))).toMatchObject({ status: 412, code: 'EXISTS' })
    })

    it('updates with If-Match', async () => {
      const put = (match: string, json: unknown) =>
        call('/v1/objects/farms/a', { method: 'PUT', json, headers: { 'if-match': match } })
      expect(await problem(await put('*', 1))).toMatchObject({ status: 412, code: 'MISSING' })
      await call('/v1/objects/farms/a', { method: 'PUT', json: 1 })
      expect((await put('*', 2)).status).toBe(200)
      expect(await problem(await put(`"${versionOf(1)}"`, 3))).toMatchObject({ status: 412, code: 'CONFLICT' })
      expect((await put(`"${versionOf(2)}"`, 3)).status).toBe(200)
    })

    it('patches and deletes with If-Match', async () => {
      await call('/v1/objects/farms/a', { method: 'PUT', json: { x: 1 } })
      const headers = { 'if-match': `"${'0'.repeat(40)}"` }
      for (const init of [
        { method: 'PATCH', json: {}, headers },
        { method: 'DELETE', headers },
      ])
        expect(await problem(await call('/v1/objects/farms/a', init))).toMatchObject({ status: 412, code: 'CONFLICT' })
    })

    it('says MISSING for a patch of nothing, as the library does', async () => {
      expect(await problem(await call('/v1/objects/farms/a', { method: 'PATCH', json: {} }))).toMatchObject({
        status: 404,
        code: 'MISSING',
      })
    })

    it('answers 304 to the version one has', async () => {
      await call('/v1/objects/farms/a', { method: 'PUT', json: 1 })
      const response = await call('/v1/objects/farms/a', { headers: { 'if-none-match': `"${versionOf(1)}"` } })
      expect([response.status, await response.text()]).toEqual([304, ''])
    })

    it.each(['W/"a"', 'a', '"a", "b"', '""x'])('refuses the entity tag %s', async tag => {
      const init = { method: 'PUT', json: 1, headers: { 'if-match': tag } }
      expect(await problem(await call('/v1/objects/farms/a', init))).toMatchObject({ status: 400, code: 'INVALID' })
    })
  })

  describe('bodies', () => {
    const put = (body: string | Uint8Array, type = 'application/json') =>
      call('/v1/objects/farms/a', { method: 'PUT', body, headers: { 'content-type': type } })

    it.each([
      ['nothing', ''],
      ['no JSON', '{crop:1}'],
      ['two values', '1 2'],
      ['doubled keys', '{"a":1,"a":2}'],
      ['a depth of 100,000', `${'['.repeat(100_000)}${']'.repeat(100_000)}`],
      ['a lone surrogate', '"\\ud800"'],
      ['a number beyond range', '1e999'],
    ])('refuses %s', async (_what, body) => {
      expect(await problem(await put(body))).toMatchObject({ status: 400, code: 'INVALID' })
      expect((await call('/v1/objects/farms/a')).status).toBe(404)
    })

    it('refuses what is not UTF-8', async () => {
      expect(await problem(await put(Uint8Array.of(0x22, 0xff, 0x22)))).toMatchObject({ status: 400 })
    })

    it.each(['text/plain', 'application/x-www-form-urlencoded', ''])('refuses the media type %j', async type => {
      expect(await problem(await put('1', type))).toMatchObject({ status: 415, code: 'INVALID' })
    })

    it('keeps __proto__ as a member like any other', async () => {
      await put('{"__proto__":{"admin":true}}')
      expect(await (await call('/v1/objects/farms/a')).text()).toBe('{"__proto__":{"admin":true}}')
      expect(({} as { admin?: boolean }).admin).toBeUndefined()
    })

    it('counts what arrives, whatever was announced', async () => {
      const tooMuch = new Uint8Array(MAX_VALUE_BYTES + 1)
      expect(await problem(await put(tooMuch, 'application/octet-stream'))).toMatchObject({
        status: 413,
        code: 'TOO_LARGE',
      })
      const response = await call('/v1/objects/farms/a', {
        method: 'PUT',
        body: tooMuch,
        headers: { 'content-type': 'application/octet-stream', 'content-length': '1' },
      })
      expect(response.status).toBe(413)
    })
  })
})

describe('ranges', () => {
  beforeEach(async () => {
    for (let i = 0; i < 250; i++) await db.object('farms').put(`f${String(i).padStart(3, '0')}`, i)
  })

  it('follows Link to the end, each record once', async () => {
    for (const query of ['', '&reverse=true', '&gte=f010&lt=f200']) {
      const ids: string[] = []
      let path: string | undefined = `/v1/objects/farms?limit=30${query}`
      while (path !== undefined) {
        const response = await call(path)
        const { records } = (await response.json()) as { records: { id: string }[] }
        ids.push(...records.map(({ id }) => id))
        path = /^<([^>]+)>; rel="next"$/.exec(response.headers.get('link') ?? '')?.[1]
      }
      const expected = query.includes('gte') ? 190 : 250
      expect(new Set(ids).size).toBe(expected)
      expect(ids).toHaveLength(expected)
      expect(ids).toEqual([...ids].sort((a, b) => (query.includes('reverse') ? (a < b ? 1 : -1) : a < b ? -1 : 1)))
    }
  })

  it('streams all of it as NDJSON', async () => {
    const response = await call('/v1/objects/farms?gte=f100', { headers: { accept: 'application/x-ndjson' } })
    const lines = (await response.text()).trimEnd().split('\n')
    expect(lines).toHaveLength(150)
    expect(JSON.parse(lines[0]!)).toEqual({ id: 'f100', value: 100, version: versionOf(100) })
  })

  it('ends a stream that fails with a line that says so', async () => {
    db.breakRangeAfter(10, corrupt('x', 'y'))
    const response = await call('/v1/objects/farms', { headers: { accept: 'application/x-ndjson' } })
    const lines = (await response.text()).trimEnd().split('\n')
    expect(lines).toHaveLength(11)
    expect(JSON.parse(lines[10]!)).toMatchObject({ error: { code: 'CORRUPT', status: 500 } })
  })

  it('answers with a problem when the failure comes before the first line', async () => {
    db.failWith(new AtollError('CLOSED', 'closed', { what: 'node' }))
    const response = await call('/v1/objects/farms', { headers: { accept: 'application/x-ndjson' } })
    expect(await problem(response)).toMatchObject({ status: 503, code: 'CLOSED' })
  })

  it.each(['limit=0', 'limit=-1', 'limit=x', 'limit=1e3', 'reverse=maybe', 'cursor=%80', 'cursor=_w', 'limt=3'])(
    'refuses %s',
    async query => {
      expect(await problem(await call(`/v1/objects/farms?${query}`))).toMatchObject({ status: 400, code: 'INVALID' })
    },
  )
})

describe('lists', () => {
  it('inserts, gets and deletes', async () => {
    const response = await call('/v1/lists/readings', { method: 'POST', json: { t: 21.5 } })
    const { id } = (await response.json()) as { id: string }
    expect(response.status).toBe(201)
    expect(response.headers.get('location')).toBe(`/v1/lists/readings/${id}`)
    expect(await (await call(`/v1/lists/readings/${id}`)).json()).toEqual({ t: 21.5 })
    expect(await (await call('/v1/count/lists/readings')).json()).toEqual({ count: 1 })
    expect(await (await call(`/v1/lists/readings?id=${id}`, { method: 'DELETE' })).json()).toEqual({ deleted: true })
  })

  it.each(['PUT', 'PATCH'])('refuses to %s', async method => {
    expect(await problem(await call('/v1/lists/readings/a', { method, json: 1 }))).toMatchObject({
      status: 405,
      code: 'UNSUPPORTED',
    })
  })

  it('refuses an id that is no ULID', async () => {
    expect(await problem(await call('/v1/lists/readings/north'))).toMatchObject({ status: 400, code: 'INVALID' })
  })
})

describe('batch', () => {
  const batch = (json: unknown) => call('/v1/batch', { method: 'POST', json })

  it('does all of it', async () => {
    await db.object('farms').put('old', 1)
    const response = await batch([
      { op: 'put', object: 'farms', id: 'a', value: { x: 1 } },
      { op: 'patch', object: 'farms', id: 'a', patch: { y: 2 } },
      { op: 'put', object: 'photos', id: 'p', bytes: 'AQID' },
      { op: 'delete', object: 'farms', id: 'old' },
      { op: 'insert', list: 'readings', value: null },
    ])
    expect(response.status).toBe(200)
    const { ids } = (await response.json()) as { ids: string[] }
    expect(ids.slice(0, 4)).toEqual(['a', 'a', 'p', 'old'])
    expect(await (await call('/v1/objects/farms/a')).json()).toEqual({ x: 1, y: 2 })
    expect(await db.object<unknown>('photos').get('p')).toEqual(Uint8Array.of(1, 2, 3))
    expect(await db.list('readings').get(ids[4]!)).toBeNull()
  })

  it.each([
    [{ op: 'create', object: 'farms', id: 'there', value: 1 }, 'EXISTS', 409],
    [{ op: 'update', object: 'farms', id: 'nowhere', value: 1 }, 'MISSING', 404],
    [{ op: 'frobnicate', object: 'farms', id: 'a', value: 1 }, 'UNSUPPORTED', 405],
    [{ op: 'update', list: 'readings', id: 'a', value: 1 }, 'UNSUPPORTED', 405],
    [{ op: 'put', object: 'farms', id: 'a' }, 'INVALID', 400],
    [{ op: 'put', object: 'farms', id: 7, value: 1 }, 'INVALID', 400],
    [{ op: 'put', object: 'Farms', id: 'a', value: 1 }, 'INVALID', 400],
    [{ op: 'put', object: 'farms', id: 'a', value: 1, ifVersion: 'x' }, 'INVALID', 400],
    [{ op: 'put', object: 'farms', id: 'a', value: 1, bytes: '' }, 'INVALID', 400],
    [{ op: 'put', object: 'farms', id: 'a', bytes: 'not base64!' }, 'INVALID', 400],
    [{ op: 'put', object: 'farms', list: 'farms', id: 'a', value: 1 }, 'INVALID', 400],
    [null, 'INVALID', 400],
    [[], 'INVALID', 400],
  ])('does nothing when %j fails, and names it', async (operation, code, status) => {
    await db.object('farms').put('there', 1)
    const response = await batch([{ op: 'put', object: 'farms', id: 'first', value: 1 }, operation])
    expect(await problem(response)).toMatchObject({ code, status, operation: 1 })
    expect(await db.object('farms').get('first')).toBeUndefined()
  })

  it('refuses what is no array, and too many operations', async () => {
    expect(await problem(await batch({}))).toMatchObject({ status: 400 })
    const many = Array.from({ length: 10_001 }, () => ({ op: 'delete', object: 'farms', id: 'a' }))
    expect(await problem(await batch(many))).toMatchObject({ status: 413, code: 'TOO_LARGE' })
  })
})

describe('the node', () => {
  it('tells who it is, its state, its peers and its history', async () => {
    expect(await (await call('/v1/node')).json()).toEqual({ node: 'node', name: 'fake', cluster: null })
    expect(await (await call('/v1/status')).json()).toMatchObject({ schema: 'atoll/status/v1', state: 'alone' })
    expect(await (await call('/v1/peers')).json()).toEqual({ peers: [] })
    expect(await (await call('/v1/collections')).json()).toEqual({ collections: [] })
    const { entries } = (await (await call('/v1/log?limit=2')).json()) as { entries: unknown[] }
    expect(entries).toMatchObject([{ subject: 'farms +0', time: '1970-01-01T00:00:00.000Z' }, { subject: 'farms +1' }])
    const lines = await (await call('/v1/log', { headers: { accept: 'application/x-ndjson' } })).text()
    expect(lines.trimEnd().split('\n')).toHaveLength(3)
  })

  it('compacts, and tells how far it is to whoever wants lines', async () => {
    const summary = { packsBefore: 2, packsAfter: 1, objects: 2, bytesBefore: 20, bytesAfter: 10 }
    expect(await (await call('/v1/compact', { method: 'POST' })).json()).toEqual(summary)
    const headers = { accept: 'application/x-ndjson' }
    const lines = await (await call('/v1/compact', { method: 'POST', headers })).text()
    expect(
      lines
        .trimEnd()
        .split('\n')
        .map(line => JSON.parse(line) as unknown),
    ).toEqual([{ done: 1, total: 2 }, { summary }])
    db.failWith(new AtollError('STORAGE_FULL', 'no space', { path: 'here' }))
    const failed = await call('/v1/compact', { method: 'POST', headers })
    expect(await problem(failed)).toMatchObject({ code: 'STORAGE_FULL' })
  })

  it('does what an operator asks', async () => {
    expect(await (await call('/v1/flush', { method: 'POST' })).json()).toEqual({ commit: 'c'.repeat(40) })
    await call('/v1/offline', { method: 'POST' })
    await call('/v1/online', { method: 'POST' })
    const sync = await call('/v1/sync', { method: 'POST', json: { peers: 2, timeout: 10 } })
    expect(await problem(sync)).toMatchObject({ status: 504, code: 'TIMEOUT' })
    expect(db.calls).toEqual(['offline', 'online', 'synced 2 10'])
    expect((await call('/v1/sync', { method: 'POST', json: { peers: '2' } })).status).toBe(400)
  })

  it('ends only where somebody prepared for it, and after the answer', async () => {
    expect(await problem(await call('/v1/shutdown', { method: 'POST' }))).toMatchObject({ code: 'UNSUPPORTED' })
    const ended = new Promise<void>(resolve => (app = createApp(db, { token, onShutdown: resolve })))
    expect((await call('/v1/shutdown', { method: 'POST' })).status).toBe(202)
    await ended
  })
})

describe('errors', () => {
  const errors: [AtollError, number][] = [
    [new AtollError('STORAGE_FULL', 'full', { path: 'x' }), 507],
    [new AtollError('STORAGE_FAILED', 'failed', { path: 'x', reason: 'EIO' }), 503],
    [new AtollError('NO_CLUSTER', 'none yet', { reason: 'x' }), 503],
    [new AtollError('CLOSED', 'closed', { what: 'node' }), 503],
    [corrupt('x', 'y'), 500],
    [new AtollError('TOO_LARGE', 'large', { what: 'x', limit: 1 }), 413],
  ]
  it.each(errors)('maps %s to %i, code and data', async (error, status) => {
    db.failWith(error)
    expect(await problem(await call('/v1/objects/farms/a'))).toEqual({
      title: expect.any(String) as string,
      status,
      detail: error.message,
      code: error.code satisfies ErrorCode,
      data: error.data,
    })
  })

  it('keeps the words of a bug inside', async () => {
    const logged: unknown[] = []
    app = createApp(db, { token, log: (...entry) => void logged.push(entry) })
    db.failWith(new Error('secret path'))
    const response = await call('/v1/objects/farms/a')
    const text = await response.text()
    expect(response.status).toBe(500)
    expect(text).toContain('INTERNAL')
    expect(text).not.toContain('secret')
    expect(JSON.stringify(logged)).toContain('secret path')
  })
})
