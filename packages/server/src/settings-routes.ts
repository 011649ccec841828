import { AtollError, invalid } from '@atolldb/core'
import type { Database, SettingsChange } from 'atolldb'
import type { Hono } from 'hono'
import { pathSegments, readCollection, readJson } from './requests.ts'
import { jsonResponse } from './responses.ts'

/** Settings of collections, `/v1/settings/{objects|lists}/{name}`, and merge scripts, `/v1/scripts/{name}`. */
export function routeSettings(app: Hono, db: Database): void {
  app.get('/v1/settings/:kind/:name', async c => {
    const { kind, name } = readCollection(c.req.url)
    return jsonResponse(await db.settings(name, { kind }))
  })
  app.patch('/v1/settings/:kind/:name', async c => {
    const { kind, name } = readCollection(c.req.url)
    const change = await readJson(c.req.raw)
    // What it holds is checked where it is taken.
    return jsonResponse(await db.configure(name, change as SettingsChange, { kind, signal: c.req.raw.signal }))
  })

  app.get('/v1/scripts', async () => jsonResponse({ scripts: await db.scripts.list() }))
  app.get('/v1/scripts/:name', async c => {
    const name = scriptName(c.req.url)
    const source = await db.scripts.get(name)
    if (source === undefined)
      throw new AtollError('MISSING', `there is no script ${name}`, { what: 'script', id: name })
    return jsonResponse({ name, source })
  })
  app.put('/v1/scripts/:name', async c => {
    const name = scriptName(c.req.url)
    await db.scripts.put(name, readSource(await readJson(c.req.raw)), { signal: c.req.raw.signal })
    return jsonResponse({ name })
  })
  app.delete('/v1/scripts/:name', async c =>
    jsonResponse({ deleted: await db.scripts.delete(scriptName(c.req.url), { signal: c.req.raw.signal }) }),
  )
}

function scriptName(url: string): string {
  return pathSegments(url)[2] ?? ''
}

/** `{ "source": "…" }`. @throws INVALID */
function readSource(body: unknown): string {
  if (typeof body === 'object' && body !== null && 'source' in body && typeof body.source === 'string')
    return body.source
  throw invalid('script', 'must be an object with its source')
}
