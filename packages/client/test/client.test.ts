import { describe, expect, it } from 'vitest'
import { ClientError, createClient, type Client } from '../src/index.ts'

/** A client whose node is a function. */
function clientOf(answer: (request: Request) => Response | Promise<Response>): Client {
  return createClient({
    url: 'http://node.example/',
    token: 'secret',
    fetch: (url, request) => answer(new Request(url, request)),
  })
}

function json(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...headers } })
}

async function failure(work: Promise<unknown>): Promise<ClientError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(ClientError)
  return error as ClientError
}

describe('requests', () => {
  it.each(['north', '', '.', '..', 'a/b', '?', '&x=1', '#', '+', '🌾', '%2F'])('carry the id %j as ?id=', async id => {
    let url = ''
    const client = clientOf(request => {
      url = request.url
      expect(request.headers.get('authorization')).toBe('Bearer secret')
      return json({ id, version: 'v' })
    })
    await client.object('farms').put(id, 1)
    expect(new URL(url).pathname).toBe('/v1/objects/farms')
    expect(new URL(url).searchParams.get('id')).toBe(id)
  })

  it('state what they expect of the record', async () => {
    const seen: unknown[] = []
    const farms = clientOf(request => {
      seen.push([request.method, request.headers.get('if-match'), request.headers.get('if-none-match')])
      return json({ id: 'a', version: 'v', deleted: true })
    }).object('farms')
    await farms.put('a', 1)
    await farms.put('a', 1, { ifVersion: 'v' })
    await farms.create('a', 1)
    await farms.update('a', 1)
    await farms.update('a', 1, { ifVersion: 'v' })
    await farms.patch('a', 1, { ifVersion: 'v' })
    await farms.delete('a', { ifVersion: 'v' })
    expect(seen).toEqual([
      ['PUT', null, null],
      ['PUT', '"v"', null],
      ['PUT', null, '*'],
      ['PUT', '*', null],
      ['PUT', '"v"', null],
      ['PATCH', '"v"', null],
      ['DELETE', '"v"', null],
    ])
  })

  it.each([
    undefined,
    Number.NaN,
    Infinity,
    1n,
    () => 1,
    Symbol('x'),
    new Date(0),
    new Map(),
    [undefined],
    { a: { b: undefined } },
  ])('refuse the value %s, which JSON cannot say', async value => {
    const client = clientOf(() => expect.unreachable())
    expect(await failure(client.object<unknown>('farms').put('a', value))).toMatchObject({ code: 'INVALID' })
  })

  it('refuse a value that contains itself', async () => {
    const value: { self?: unknown } = {}
    value.self = value
    expect(
      (
        await failure(
          clientOf(() => json({}))
            .list<unknown>('readings')
            .insert(value),
        )
      ).code,
    ).toBe('INVALID')
  })

  it.each(['', '.', '..', '\ud800'])('refuse the collection name %j', name => {
    expect(() => clientOf(() => json({})).object(name)).toThrow(expect.objectContaining({ code: 'INVALID' }))
  })

  it('refuse an id that is not well-formed', async () => {
    expect(
      (
        await failure(
          clientOf(() => json({}))
            .object('farms')
            .get('\ud800'),
        )
      ).code,
    ).toBe('INVALID')
  })

  it('carry bytes as base64 in a batch', async () => {
    let body: unknown
    const client = clientOf(async request => {
      body = await request.json()
      return json({ ids: ['a'] })
    })
    const value = Uint8Array.from({ length: 20_000 }, (_, i) => i)
    await client.batch([{ op: 'put', object: 'photos', id: 'a', value }])
    expect(body).toEqual([{ op: 'put', object: 'photos', id: 'a', bytes: Buffer.from(value).toString('base64') }])
  })
})

describe('answers', () => {
  it('are values with their versions', async () => {
    const etag = { etag: '"v"' }
    const text = clientOf(() => json({ crop: 'rye' }, 200, etag)).object('farms')
    expect(await text.getRecord('a')).toEqual({ id: 'a', value: { crop: 'rye' }, version: 'v' })
    const headers = { 'content-type': 'application/octet-stream', ...etag }
    const bytes = clientOf(() => new Response(Uint8Array.of(1, 2), { headers })).object<Uint8Array>('photos')
    expect(await bytes.get('a')).toEqual(Uint8Array.of(1, 2))
  })

  it('are undefined for a missing record, and an error for a missing route', async () => {
    const missing = (what: string) => () => json({ code: 'MISSING', detail: 'no', data: { what } }, 404)
    expect(await clientOf(missing('record')).object('farms').getMany(['a', 'b'])).toEqual([undefined, undefined])
    expect((await failure(clientOf(missing('route')).object('farms').get('a'))).code).toBe('MISSING')
  })

  it('are errors with code, data and status', async () => {
    const client = clientOf(() => json({ code: 'EXISTS', detail: 'it exists', data: { id: 'a' }, operation: 3 }, 412))
    expect(await failure(client.batch([]))).toMatchObject({
      code: 'EXISTS',
      message: 'it exists',
      data: { id: 'a' },
      status: 412,
      operation: 3,
    })
  })

  it.each([
    ['a page of somebody else', () => new Response('<html>', { status: 502 })],
    ['JSON of somebody else', () => json({ error: 'no' }, 500)],
    ['an answer that is no JSON', () => new Response('hello')],
  ])('are PROTOCOL for %s', async (_what, answer) => {
    expect((await failure(clientOf(answer).status())).code).toBe('PROTOCOL')
  })

  it('are UNAVAILABLE when there is none, ABORTED when nobody waits for it', async () => {
    const refused = new TypeError('fetch failed', { cause: new Error('ECONNREFUSED') })
    const error = await failure(clientOf(() => Promise.reject(refused)).status())
    expect(error).toMatchObject({ code: 'UNAVAILABLE', status: 0 })
    expect(error.message).toContain('ECONNREFUSED')
    const controller = new AbortController()
    const hanging = clientOf(
      request =>
        new Promise((_, reject) =>
          request.signal.addEventListener('abort', () => reject(request.signal.reason as Error)),
        ),
    )
    const work = failure(hanging.status({ signal: controller.signal }))
    controller.abort()
    expect((await work).code).toBe('ABORTED')
  })
})

describe('streams', () => {
  const lines = (...chunks: string[]) =>
    clientOf(() => {
      const encoder = new TextEncoder()
      const bytes = chunks.map(chunk => encoder.encode(chunk))
      return new Response(
        new ReadableStream<Uint8Array>({
          start: controller => {
            for (const chunk of bytes) controller.enqueue(chunk)
            controller.close()
          },
        }),
      )
    }).object<unknown>('farms')

  it('are read line by line, however they were cut', async () => {
    const text = '{"id":"a","value":"é\\n","version":"1"}\n{"id":"b","bytes":"AQI=","version":"2"}\n'
    const records: unknown[] = []
    for await (const record of lines(...Array.from(text)).records()) records.push(record)
    expect(records).toEqual([
      { id: 'a', value: 'é\n', version: '1' },
      { id: 'b', value: Uint8Array.of(1, 2), version: '2' },
    ])
  })

  it('throw what the last line says', async () => {
    const seen: string[] = []
    const read = async (): Promise<void> => {
      const broken = lines('{"id":"a","value":1}\n{"error":{"code":"CORRUPT","detail":"damaged","data":{}}}\n')
      for await (const [id] of broken.entries()) seen.push(id)
    }
    expect(await failure(read())).toMatchObject({ code: 'CORRUPT' })
    expect(seen).toEqual(['a'])
  })

  it('end the request when the loop ends', async () => {
    let cancelled = false
    const client = clientOf(
      () =>
        new Response(
          new ReadableStream<Uint8Array>({
            pull: controller => controller.enqueue(new TextEncoder().encode('{"id":"a","value":1}\n')),
            cancel: () => void (cancelled = true),
          }),
        ),
    )
    for await (const _ of client.object('farms').entries()) break
    expect(cancelled).toBe(true)
  })

  it('tell time in the log as dates', async () => {
    const client = clientOf(() => new Response('{"commit":"c","time":"2026-01-02T03:04:05.000Z"}\n'))
    for await (const entry of client.log()) expect(entry.time).toEqual(new Date('2026-01-02T03:04:05Z'))
  })
})

describe('sync', () => {
  it('asks again while there is time, and tells the whole of it in the end', async () => {
    const waits: number[] = []
    const client = clientOf(async request => {
      waits.push(((await request.json()) as { timeout: number }).timeout)
      return json({ code: 'TIMEOUT', detail: 'not in sync', data: { timeoutMs: 1 } }, 504)
    })
    expect(await failure(client.sync({ timeout: 130_000 }))).toMatchObject({
      code: 'TIMEOUT',
      data: { timeoutMs: 130_000 },
    })
    expect(waits).toEqual([60_000, 60_000, 10_000])
  })
})
