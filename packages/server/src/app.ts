import { AtollError } from '@atolldb/core'
import type { Database, Log } from 'atolldb'
import { Hono } from 'hono'
import { routeBatch } from './batch.ts'
import { routeConflicts } from './conflicts.ts'
import { routeCollections } from './collections-routes.ts'
import { routeChanges } from './changes-route.ts'
import { checkHost, checkToken, hostAllowList } from './gate.ts'
import { routeHistory } from './history-routes.ts'
import { routeNode, routeShutdown } from './node-routes.ts'
import { errorToProblem, problemResponse } from './problems.ts'
import { routeRecords } from './records.ts'
import { routeSettings } from './settings-routes.ts'

export interface AppOptions {
  /** What callers must present as `Authorization: Bearer …`. */
  readonly token: string
  /** Ends the process, when asked to by `POST /v1/shutdown`; without it that is refused. */
  readonly onShutdown?: () => void
  /** Host names to answer to beside loopback's, without ports. */
  readonly allowedHosts?: readonly string[]
  readonly log?: Log
}

/**
 * The HTTP API of a node as a web-standard `fetch`. Every route but `/livez` and `/readyz` asks for the token; every error is
 * a problem with the library's `code`. Holds no state of its own.
 *
 * @example
 * const app = createApp(db, { token })
 * const response = await app.request('/v1/objects/farms/north', { headers: { authorization: `Bearer ${token}` } })
 */
export function createApp(db: Database, { token, onShutdown, allowedHosts, log }: AppOptions): Hono {
  const app = new Hono()
  const hosts = hostAllowList(allowedHosts)

  app.onError(error => {
    const problem = errorToProblem(error)
    if (problem.code === 'INTERNAL') log?.('error', 'a request failed inside', { error: error.stack ?? error.message })
    return problemResponse(problem)
  })
  app.notFound(() => {
    throw new AtollError('MISSING', 'no such route', { what: 'route' })
  })

  app.use(async (c, next) => {
    checkHost(c.req.header('host') ?? new URL(c.req.url).host, hosts)
    await next()
    c.res.headers.set('cache-control', 'no-store')
    c.res.headers.set('x-content-type-options', 'nosniff')
  })
  app.get('/livez', c => c.text('ok\n'))
  app.get('/readyz', c => c.text('ok\n'))
  app.use('/v1/*', async (c, next) => {
    checkToken(c.req.header('authorization'), token)
    await next()
  })

  routeRecords(app, db)
  routeCollections(app, db)
  routeBatch(app, db)
  routeConflicts(app, db)
  routeSettings(app, db)
  routeHistory(app, db)
  routeChanges(app, db)
  routeNode(app, db)
  routeShutdown(app, onShutdown)
  return app
}
