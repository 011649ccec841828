import { AtollError, invalid, type JsonValue } from '@atolldb/core'
import type { Conflict, ConflictOutcome, ConflictsOptions, ConflictTarget, Database } from 'atolldb'
import type { Hono } from 'hono'
import { contentShape, parseBase64 } from './content-shape.ts'
import { asPrecondition } from './problems.ts'
import { pathSegments, readCount, readFlag, readJson, readPreconditions, readQuery } from './requests.ts'
import { jsonResponse, ndjsonResponse, wantsNdjson } from './responses.ts'

const DEFAULT_CONFLICTS = 100

/**
 * Records in conflict.
 *
 *     GET  /v1/conflicts?kind=&collection=&all=&limit=     the contested ones (with `all` every one), as NDJSON in full when asked for
 *     GET  /v1/conflicts/objects/farms?id=north            one; its ETag is that of the conflict
 *     POST /v1/conflicts/objects/farms?id=north            settles it; with If-Match only if it is still that one
 *
 * A record may also be the last segment of the path. The body of POST is one of `{"take":"ours"}`, `{"take":"theirs"}`,
 * `{"take":"chosen"}`, `{"commit":id}`, `{"value":JSON}`, `{"bytes":base64}` and `{"delete":true}`.
 */
export function routeConflicts(app: Hono, db: Database): void {
  app.get('/v1/conflicts', async c => {
    const { options, limit } = readOptions(c.req.url)
    const shapes = conflictShapes(db, { ...options, signal: c.req.raw.signal }, limit)
    if (wantsNdjson(c.req.raw)) return ndjsonResponse(shapes(Infinity))
    const conflicts: unknown[] = []
    for await (const conflict of shapes(DEFAULT_CONFLICTS)) conflicts.push(conflict)
    return jsonResponse({ conflicts })
  })
  for (const path of ['/v1/conflicts/:kind/:name', '/v1/conflicts/:kind/:name/:id']) {
    app.get(path, async c => {
      const target = readTarget(c.req.url)
      const conflict = await db.conflicts().get(target)
      if (conflict === undefined) throw noConflict(target)
      return jsonResponse(conflictShape(conflict), 200, { etag: `"${conflict.version}"` })
    })
    app.post(path, async c => {
      const target = readTarget(c.req.url)
      const { match } = readPreconditions(c.req.raw.headers)
      const outcome = readOutcome(await readJson(c.req.raw))
      const compared = match === undefined || match === '*' ? target : { ...target, version: match }
      const { id, version } = await asPrecondition(match !== undefined, db.conflicts().resolve(compared, outcome))
      return jsonResponse({ id, version: version ?? null })
    })
  }
}

function noConflict({ collection, id }: ConflictTarget): AtollError<'MISSING'> {
  return new AtollError('MISSING', `${collection}/${id} is in no conflict`, { what: 'conflict', id })
}

function readOptions(url: string): { options: ConflictsOptions; limit: number | undefined } {
  const query = readQuery(url, ['kind', 'collection', 'all', 'limit'])
  const kind = query.get('kind')
  const collection = query.get('collection')
  const options = {
    all: readFlag(query, 'all'),
    ...(kind === undefined ? {} : { kind: kind as NonNullable<ConflictsOptions['kind']> }),
    ...(collection === undefined ? {} : { collection }),
  }
  return { options, limit: readCount(query, 'limit') }
}

/** The library checks what they hold. @throws INVALID */
function readTarget(url: string): ConflictTarget {
  const [, , kind, collection = '', inPath] = pathSegments(url)
  const inQuery = readQuery(url, ['id']).get('id')
  if (inPath !== undefined && inQuery !== undefined) throw invalid('id', 'is in the path and in the query')
  const id = inPath ?? inQuery
  if (id === undefined) throw invalid('id', 'is missing: name the record in the path or as ?id=')
  return { kind: kind as NonNullable<ConflictTarget['kind']>, collection, id }
}

/** The library checks the rest. @throws INVALID */
function readOutcome(body: JsonValue): ConflictOutcome {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) throw invalid('outcome', 'must be an object')
  const { bytes, ...others } = body
  const outcome = bytes === undefined ? others : { ...others, value: parseBase64(bytes) }
  return outcome as ConflictOutcome
}

function conflictShapes(
  db: Database,
  options: ConflictsOptions,
  limit: number | undefined,
): (defaultLimit: number) => AsyncGenerator<unknown, void, void> {
  const conflicts = db.conflicts(options)
  return async function* (defaultLimit) {
    let left = limit ?? defaultLimit
    for await (const conflict of conflicts) {
      yield conflictShape(conflict)
      if (--left <= 0) return
    }
  }
}

/** Where there is no record, its content is null. */
function conflictShape({ base, versions, chosen, ...conflict }: Conflict): unknown {
  return {
    ...conflict,
    base: base === undefined ? null : contentShape(base),
    versions: versions.map(({ commit, author, time, op, value, version }) => ({
      commit,
      author,
      time: time.toISOString(),
      op,
      ...(op === 'delete' ? {} : { ...contentShape(value), version }),
    })),
    chosen: chosen === undefined ? null : contentShape(chosen),
  }
}
