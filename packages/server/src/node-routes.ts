import { setTimeout } from 'node:timers/promises'
import { AtollError, invalid } from '@atolldb/core'
import type { Database } from 'atolldb'
import type { Hono } from 'hono'
import { readJson } from './requests.ts'
import { jsonResponse, ndjsonResponse, wantsNdjson } from './responses.ts'

/** One request waits no longer; whoever wants to wait longer asks again. */
const MAX_SYNC_WAIT_MS = 120_000
const PROGRESS_MS = 100

/** The node itself: its state, its peers, and what an operator tells it. */
export function routeNode(app: Hono, db: Database): void {
  /** Who answers here; cheap, and only for those who have the token. */
  app.get('/v1/node', () => jsonResponse({ node: db.node, name: db.name, cluster: db.cluster ?? null }))
  app.get('/v1/status', async () => jsonResponse(await db.status()))
  app.get('/v1/peers', () => jsonResponse({ peers: db.peers() }))

  app.post('/v1/flush', async () => jsonResponse(await db.flush()))
  app.post('/v1/compact', async c => {
    const { signal } = c.req.raw
    if (wantsNdjson(c.req.raw)) return ndjsonResponse(compactShapes(db, signal), 1)
    return jsonResponse(await db.compact({ signal }))
  })
  app.post('/v1/sync', async c =>
    jsonResponse(await db.synced({ ...(await readSync(c.req.raw)), signal: c.req.raw.signal })),
  )
  app.post('/v1/offline', async () => {
    await db.offline()
    return jsonResponse({ state: 'offline' })
  })
  app.post('/v1/online', async () => {
    await db.online()
    return jsonResponse({ state: 'online' })
  })
}

/** Asks the process to end in good order; a node that nobody prepared for that refuses. */
export function routeShutdown(app: Hono, onShutdown: (() => void) | undefined): void {
  app.post('/v1/shutdown', c => {
    if (onShutdown === undefined)
      throw new AtollError('UNSUPPORTED', 'this node is part of an application: end that', { what: 'shutdown' })
    const { outgoing } = (c.env ?? {}) as { outgoing?: { once(event: 'close', listener: () => void): void } }
    // The answer goes out first: the listener is gone afterwards.
    if (outgoing === undefined) setImmediate(onShutdown)
    else outgoing.once('close', onShutdown)
    return jsonResponse({ pid: process.pid }, 202)
  })
}

/** Lines `{"done":…,"total":…}` while it is at it, then `{"summary":{…}}`. Ends the work when nobody listens any more. */
async function* compactShapes(db: Database, signal: AbortSignal): AsyncGenerator {
  const gone = new AbortController()
  const latest: { progress?: unknown } = {}
  const work = db.compact({
    signal: AbortSignal.any([signal, gone.signal]),
    onProgress: progress => (latest.progress = progress),
  })
  try {
    for (;;) {
      const summary = await Promise.race([work, setTimeout(PROGRESS_MS, undefined, { ref: false })])
      if (summary !== undefined) {
        yield { summary }
        return
      }
      if (latest.progress !== undefined) yield latest.progress
      delete latest.progress
    }
  } finally {
    gone.abort()
    await work.catch(() => undefined)
  }
}

/** `{ "peers": 2, "timeout": 10000 }`, both optional; milliseconds. @throws INVALID */
async function readSync(request: Request): Promise<{ peers?: number; timeout?: number }> {
  const body = await readJson(request)
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('sync', 'must be an object')
  const options: { peers?: number; timeout?: number } = {}
  for (const [name, value] of Object.entries(body)) {
    if (name !== 'peers' && name !== 'timeout') throw invalid('sync', `${name} is not an option`)
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 0)
      throw invalid(name, 'must be a whole number')
    options[name] = name === 'timeout' ? Math.min(value, MAX_SYNC_WAIT_MS) : value
  }
  return options
}
