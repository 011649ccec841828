import { AtollError, invalid } from '@atolldb/core'
import type { Database, LogOptions, RecordScope } from 'atolldb'
import type { Hono } from 'hono'
import { pathSegments, readCount, readJson, readQuery } from './requests.ts'
import { jsonResponse, ndjsonResponse, wantsNdjson } from './responses.ts'
import { logShape, recordChangeShape } from './history-shapes.ts'

const DEFAULT_LOG_ENTRIES = 100
/** The options of a scope in a query. */
export const scopeOptions = ['object', 'list', 'collection', 'kind', 'id'] as const

/** What was: commits, what they changed, and names for them. Commits go by any name that `db.at` takes. */
export function routeHistory(app: Hono, db: Database): void {
  app.get('/v1/at', async c => {
    const { commit, time } = await db.at(required(readQuery(c.req.url, ['commit']), 'commit'))
    return jsonResponse({ commit, time: time.toISOString() })
  })

  app.get('/v1/log', async c => {
    const query = readQuery(c.req.url, ['limit', 'from', ...scopeOptions])
    const limit = readCount(query, 'limit')
    const from = query.get('from')
    const { signal } = c.req.raw
    const options = { signal, ...readScope(query), ...(from === undefined ? {} : { from }) }
    if (wantsNdjson(c.req.raw))
      return ndjsonResponse(logShapes(db, { ...options, ...(limit === undefined ? {} : { limit }) }))
    const entries: unknown[] = []
    for await (const entry of logShapes(db, { ...options, limit: limit ?? DEFAULT_LOG_ENTRIES })) entries.push(entry)
    return jsonResponse({ entries })
  })

  // Both answer in NDJSON only: a commit may have 10,000 changes, a difference any number.
  app.get('/v1/show', c => ndjsonResponse(showShapes(db, required(readQuery(c.req.url, ['commit']), 'commit'))))
  app.get('/v1/diff', c => ndjsonResponse(diffShapes(db, c.req.raw)))

  app.get('/v1/refs', async () => jsonResponse({ refs: await db.refs.list() }))
  app.get('/v1/refs/*', async c => {
    const name = refName(c.req.url)
    const commit = await db.refs.get(name)
    if (commit === undefined)
      throw new AtollError('MISSING', `no ref ${JSON.stringify(name)}`, { what: 'ref', id: name })
    return jsonResponse({ name, commit })
  })
  app.put('/v1/refs/*', async c => {
    const body = await readJson(c.req.raw)
    const { next, previous } = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
    if (typeof next !== 'string') throw invalid('next', 'must name a commit')
    if (previous !== undefined && typeof previous !== 'string') throw invalid('previous', 'must be the id of a commit')
    return jsonResponse(await db.refs.update(refName(c.req.url), next, previous))
  })
  app.delete('/v1/refs/*', async c => {
    await db.refs.delete(refName(c.req.url), required(readQuery(c.req.url, ['previous']), 'previous'))
    return jsonResponse({ deleted: true })
  })
}

/** The slashes of a ref's name may be escaped or not. */
function refName(url: string): string {
  return pathSegments(url).slice(2).join('/')
}

/** @throws INVALID */
function required(query: ReadonlyMap<string, string>, name: string): string {
  const value = query.get(name)
  if (value === undefined) throw invalid(name, 'is missing')
  return value
}

export function readScope(query: ReadonlyMap<string, string>): RecordScope {
  return Object.fromEntries(scopeOptions.flatMap(name => (query.has(name) ? [[name, query.get(name)]] : [])))
}

async function* logShapes(db: Database, options: LogOptions): AsyncGenerator {
  for await (const entry of db.log(options)) yield logShape(entry)
}

/** The commit in the first line, a change in each that follows. */
async function* showShapes(db: Database, commit: string): AsyncGenerator {
  const { changes, ...entry } = await db.show(commit)
  yield logShape(entry)
  for await (const change of changes) yield recordChangeShape(change)
}

async function* diffShapes(db: Database, { url, signal }: Request): AsyncGenerator {
  const query = readQuery(url, ['from', 'to', ...scopeOptions])
  const options = { ...readScope(query), signal }
  for await (const change of db.diff(required(query, 'from'), required(query, 'to'), options))
    yield recordChangeShape(change)
}
