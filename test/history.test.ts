import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PassThrough, Readable } from 'node:stream'
import { text } from 'node:stream/consumers'
import { runCli } from '@atolldb/cli'
import { createClient, type Client } from '@atolldb/client'
import { createApp } from '@atolldb/server'
import { open, type Database } from 'atolldb'
import { beforeEach, expect, onTestFinished, test, vi } from 'vitest'

/** History as a client and a command see it: the whole way through the door, on a real node. */

let directory: string
let db: Database
let client: Client
let call: (path: string, headers?: Record<string, string>) => Promise<Response>

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atoll-history-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  db = await open(directory, { name: 'barn', durability: 'os', seal: { maxDelayMs: 60_000 } })
  onTestFinished(() => db.close())
  const token = randomBytes(8).toString('hex')
  const app = createApp(db, { token })
  client = createClient({ url: 'http://localhost', token, fetch: (url, request) => app.request(url, request) })
  call = async (path, headers = {}) =>
    app.request(`http://localhost${path}`, { headers: { authorization: `Bearer ${token}`, ...headers } })
})

async function collected<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = []
  for await (const item of items) found.push(item)
  return found
}

/** Runs a command on the directory, which no node has open. */
async function atoll(...args: string[]): Promise<{ code: number; out: string }> {
  const [stdout, stderr] = [new PassThrough(), new PassThrough()]
  const io = { stdin: Readable.from([]), stdout, stderr, env: {}, onEndSignal: () => () => undefined }
  const out = text(stdout)
  stderr.resume()
  const code = await runCli(['--data', directory, ...args], io)
  stdout.end()
  return { code, out: await out }
}

test('a client reads what was: snapshots, log, show, diff, refs', async () => {
  // Batches: a lone write is sealed by itself when the loop has time.
  const [, , id] = (await client.batch([
    { op: 'put', object: 'farms', id: 'north', value: { crop: 'rye' } },
    { op: 'put', object: 'farms', id: 'photo', value: new Uint8Array([1, 2]) },
    { op: 'insert', list: 'readings', value: 5 },
  ])) as [string, string, string]
  const { commit: first } = await client.flush()
  await client.batch([
    { op: 'put', object: 'farms', id: 'north', value: { crop: 'oats' } },
    { op: 'delete', object: 'farms', id: 'photo' },
  ])
  const { commit: second } = await client.flush()

  const then = await client.at(first.slice(0, 12))
  expect(then.commit).toBe(first)
  expect(await then.object('farms').get('north')).toEqual({ crop: 'rye' })
  expect(await then.object('farms').count()).toBe(2)
  expect(await collected(then.object('farms').keys({ reverse: true }))).toEqual(['photo', 'north'])
  expect(await then.list('readings').get(id)).toBe(5)
  const page = await call(`/v1/objects/farms?at=${first}&limit=1`)
  expect(page.headers.get('link')).toContain(`at=${first}`)

  const log = await collected(client.log({ object: 'farms', id: 'photo' }))
  expect(log.map(({ commit, change }) => [commit, change?.after?.value])).toEqual([
    [second, undefined],
    [first, new Uint8Array([1, 2])],
  ])
  const { changes, ...entry } = await client.show('main')
  expect(entry).toMatchObject({ commit: second, author: { name: 'barn', node: db.node } })
  expect(await collected(changes)).toEqual(await collected(client.diff(first, second)))
  expect(await collected(client.diff(first, second, { object: 'farms', id: 'north' }))).toMatchObject([
    { op: 'put', before: { value: { crop: 'rye' } }, after: { value: { crop: 'oats' } } },
  ])
  await expect(client.at('no-such-ref')).rejects.toMatchObject({ code: 'MISSING', status: 404 })
  await expect(client.show('@{then}')).rejects.toMatchObject({ code: 'INVALID' })

  await client.refs.update('harvest/2026', first)
  await expect(client.refs.update('harvest/2026', second)).rejects.toMatchObject({ code: 'CONFLICT' })
  expect(await client.refs.update('harvest/2026', second, first)).toEqual({ name: 'harvest/2026', commit: second })
  expect(await client.refs.get('harvest/2026')).toBe(second)
  expect((await call('/v1/refs/harvest/2026')).status).toBe(200)
  expect(await client.refs.list()).toEqual([{ name: 'harvest/2026', commit: second }])
  await client.refs.delete('harvest/2026', second)
  expect(await client.refs.get('harvest/2026')).toBeUndefined()
})

test('the feed by long poll goes on where it was, and waits for what comes', async () => {
  const since = await client.cursor()
  await client.object('farms').put('north', 1)
  const [first] = await collected(client.changes({ since, live: false }))
  expect(first).toMatchObject({ collection: 'farms', id: 'north', op: 'put', value: 1, origin: 'local' })
  const next = client.changes({ since: first!.cursor })[Symbol.asyncIterator]()
  const waiting = next.next()
  await client.object<unknown>('farms').put('photo', new Uint8Array([7]))
  expect((await waiting).value).toMatchObject({ id: 'photo', value: new Uint8Array([7]) })
  await next.return?.()
  const answer = await call(`/v1/changes?since=${first!.cursor}&object=barns&wait=30`)
  const idle = (await answer.json()) as { changes: unknown[]; cursor: string }
  expect(idle.changes).toEqual([])
  // Whoever asks for what is quiet need not be asked about all that is not again.
  expect(await collected(db.changes({ since: idle.cursor, live: false }))).toEqual([])
  expect((await call('/v1/changes?since=nonsense')).status).toBe(400)
})

test('a batch larger than a poll is told whole, and the next poll goes on behind it', async () => {
  const since = await client.cursor()
  await db.batch(tx => {
    for (const id of ['a', 'b', 'c']) tx.object('farms').put(id, 1)
  })
  const answer = (await (await call(`/v1/changes?since=${since}&limit=2&wait=0`)).json()) as {
    changes: unknown[]
    cursor: string
  }
  expect(answer.changes).toHaveLength(3)
  expect(await collected(db.changes({ since: answer.cursor, live: false }))).toEqual([])
})

test('a batch that a poll waited for, or that begins within its limit, is told once', async () => {
  const batch = (ids: readonly string[]): Promise<void> =>
    db.batch(tx => {
      for (const id of ids) tx.object('farms').put(id, 1)
    })
  let cursor = await client.cursor()
  const poll = async (query: string): Promise<string[]> => {
    const answer = (await (await call(`/v1/changes?since=${cursor}&${query}`)).json()) as {
      changes: { id: string }[]
      cursor: string
    }
    cursor = answer.cursor
    return answer.changes.map(({ id }) => id)
  }
  /** Should the batch be sealed before it is read, its changes are told one by one. */
  const all = async (query: string): Promise<string[]> => {
    const told: string[] = []
    for (let ids = await poll(query); ids.length > 0; ids = await poll('limit=2&wait=0')) told.push(...ids)
    return told
  }
  const waiting = all('wait=20000')
  await new Promise(resolve => setImmediate(resolve))
  await batch(['a', 'b', 'c'])
  expect(await waiting).toEqual(['a', 'b', 'c'])

  await batch(['d'])
  await batch(['e', 'f', 'g'])
  expect(await all('limit=2&wait=0')).toEqual(['d', 'e', 'f', 'g'])
})

test('the feed as server-sent events takes up at Last-Event-ID', async () => {
  const since = db.cursor()
  await db.object('farms').put('north', 1)
  await db.object('farms').put('south', 2)
  const [first] = await collected(db.changes({ since, live: false }))
  const headers = { accept: 'text/event-stream', 'last-event-id': first!.cursor }
  const response = await call('/v1/changes', headers)
  expect(response.headers.get('content-type')).toBe('text/event-stream')
  const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
  let heard = ''
  while (!heard.includes('data: ')) heard += (await reader.read()).value ?? ''
  expect(heard).toMatch(/^id: \S+\n\nid: \S+\nevent: change\ndata: \{.*"id":"south".*\}\n\n$/)
  expect(heard.slice(4, heard.indexOf('\n'))).toBe(first!.cursor)
  await reader.cancel()
})

test('a reader of a quiet scope is told how far it has come', async () => {
  const since = db.cursor()
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] })
  onTestFinished(() => void vi.useRealTimers())
  const response = await call(`/v1/changes?object=barns&since=${since}`, { accept: 'text/event-stream' })
  // Nothing in between: whatever passes the text on reads ahead.
  const reader = response.body!.getReader()
  const heard = async (): Promise<string> =>
    new TextDecoder().decode((await reader.read()).value as Uint8Array | undefined)
  expect(await heard()).toBe(`id: ${since}\n\n`)
  const beat = async (): Promise<string> => {
    await new Promise(resolve => setImmediate(resolve))
    vi.advanceTimersByTime(20_000)
    return heard()
  }
  await db.object('farms').put('north', 1)
  await db.flush()
  const behind = db.cursor()
  let heartbeat = ''
  while (heartbeat !== `id: ${behind}\n\n`) expect((heartbeat = await beat())).toMatch(/^(:|id: \S+)\n\n$/)
  expect(await beat()).toBe(':\n\n')

  await db.object('farms').put('south', 1)
  const passed = db.cursor()
  await new Promise(resolve => setImmediate(resolve))
  // Waits to be read, so that the feed goes no further.
  await db.object('barns').put('old', 1)
  await new Promise(resolve => setImmediate(resolve))
  vi.advanceTimersByTime(20_000)
  expect(await heard()).toContain('"id":"old"')
  expect(await heard()).not.toContain(passed)
  await reader.cancel()
})

test('library and client tell of a quiet scope how far it was read', async () => {
  const since = db.cursor()
  await db.object('farms').put('north', 1)
  const now = db.cursor()
  for (const place of [db, client]) {
    const reached: string[] = []
    const quiet = { since, object: 'barns', live: false, onReached: (cursor: string) => void reached.push(cursor) }
    expect(await collected<unknown>(place.changes(quiet))).toEqual([])
    expect(reached).toEqual([now])
    const all = { ...quiet, object: 'farms' }
    expect(await collected<unknown>(place.changes(all))).toHaveLength(1)
    expect(reached.at(-1)).toBe(now)
  }
})

test('commands tell the same', async () => {
  await db.object('farms').put('north', { crop: 'rye' })
  const { commit } = await db.flush()
  await db.object('farms').put('north', { crop: 'oats' })
  await db.close()
  expect(await atoll('get', 'farms', 'north', '--at', commit.slice(0, 8))).toEqual({ code: 0, out: '{"crop":"rye"}\n' })
  expect((await atoll('get', 'farms', 'north', '--at', 'nothing')).code).toBe(3)
  const { out: log } = await atoll('log', 'farms', 'north')
  expect(log.split('\n')[1]).toBe('  ~ farms/north  {"crop":"rye"} → {"crop":"oats"}')
  expect((await atoll('diff', commit, 'main', 'farms')).out).toBe('~ farms/north  {"crop":"rye"} → {"crop":"oats"}\n')
  expect((await atoll('show', commit, '--json')).out).toContain('"schema":"atoll/show/v1"')
  expect((await atoll('refs', 'harvest', commit)).out).toBe(`${commit}\n`)
  expect((await atoll('refs', 'harvest', 'main')).code).toBe(4)
  expect((await atoll('watch', '--since', '0', '--no-follow')).out).toBe(
    'farms/north  {"crop":"rye"}\nfarms/north  {"crop":"oats"}\n',
  )
  expect((await atoll('export', 'farms', '--at', 'harvest')).out).toBe('{"id":"north","value":{"crop":"rye"}}\n')
  expect(JSON.parse((await atoll('export', 'farms', '--format', 'json')).out)).toEqual([
    { id: 'north', value: { crop: 'oats' } },
  ])
})

test('what a List was can be asked for by its name after it is gone', async () => {
  const id = await db.list('readings').insert({ t: 21.5 })
  const { commit } = await db.flush()
  await db.drop({ kind: 'lists', name: 'readings' })
  await db.object('readings').put('north', 1)
  await db.flush()

  const then = await client.at(commit)
  expect(await then.collections()).toEqual([{ name: 'readings', kind: 'lists' }])
  expect((await call('/v1/collections?at=nothing')).status).toBe(404)
  expect((await call('/v1/collections?then=main')).status).toBe(400)
  const [lost] = await collected(client.diff(commit, 'main', { collection: 'readings', kind: 'lists' }))
  expect(lost).toMatchObject({ kind: 'lists', id, op: 'delete' })
  expect(await collected(client.log(lost))).toHaveLength(2)
  const fed = await collected(client.changes({ since: '0', live: false, collection: 'readings', id }))
  expect(fed.map(({ op }) => op)).toEqual(['put', 'delete'])
  expect((await call('/v1/log?list=readings&kind=lists')).status).toBe(400)

  await db.close()
  expect((await atoll('export', 'readings', '--at', commit)).out).toBe(`{"id":"${id}","value":{"t":21.5}}\n`)
  expect((await atoll('get', 'readings', id, '--at', commit)).out).toBe('{"t":21.5}\n')
  expect((await atoll('count', 'readings', '--at', commit)).out).toBe('1\n')
  expect((await atoll('export', 'readings')).out).toBe('{"id":"north","value":1}\n')
  expect((await atoll('log', 'readings', id)).out).toContain(`  - readings/${id}`)
  expect((await atoll('diff', commit, 'main', 'readings')).out.trimEnd().split('\n')).toEqual([
    '+ readings/north  1',
    `- readings/${id}  {"t":21.5}`,
  ])
  expect((await atoll('diff', commit, 'main', 'readings', '--list')).out.trimEnd().split('\n')).toHaveLength(1)
})
