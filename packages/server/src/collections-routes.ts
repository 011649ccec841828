import type { Database } from 'atolldb'
import type { Hono } from 'hono'
import { readCollection, readQuery } from './requests.ts'
import { jsonResponse } from './responses.ts'

/**
 * Collections as a whole. One is dropped by `DELETE /v1/collections/{objects|lists}/{name}`, and not where its records are: a
 * request there that lost its `?id=` on the way must not delete all of them.
 */
export function routeCollections(app: Hono, db: Database): void {
  // As they were, without how many records they had: a snapshot has no counters.
  app.get('/v1/collections', async c => {
    const at = readQuery(c.req.url, ['at']).get('at')
    return jsonResponse({ collections: await (at === undefined ? db : await db.at(at)).collections() })
  })
  app.delete('/v1/collections/:kind/:name', async c => {
    readQuery(c.req.url, [])
    return jsonResponse(await db.drop(readCollection(c.req.url), { signal: c.req.raw.signal }))
  })
}
