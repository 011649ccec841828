import { AtollError, type CollectionKind, invalid } from '@atolldb/core'
import type { Database, ListCollection, ObjectCollection, ReadableCollection, RecordReader, Written } from 'atolldb'
import type { Hono } from 'hono'
import { answerCount, answerRange } from './ranges.ts'
import { asPrecondition } from './problems.ts'
import { pathSegments, rangeOptions, readJson, readPreconditions, readQuery, readValue } from './requests.ts'
import { jsonResponse } from './responses.ts'

type AnyObject = ObjectCollection<unknown>
type AnyList = ListCollection<unknown>

/**
 * The records of Objects and Lists. A record's id is the last segment of the path, or `?id=` on the collection's path: that
 * form takes every id, since no client or proxy normalises it (`.`, `..`, `a/b`, the empty one).
 */
export function routeRecords(app: Hono, db: Database): void {
  const object = (request: Request): AnyObject => db.object<unknown>(collectionName(request.url))
  const list = (request: Request): AnyList => db.list<unknown>(collectionName(request.url))

  for (const path of ['/v1/objects/:name', '/v1/objects/:name/:id']) {
    app.get(path, async c => {
      const request = c.req.raw
      const reader = await readerOf(db, 'objects', request)
      return isRecord(request.url) ? getRecord(reader, request) : answerRange(reader, request)
    })
    app.put(path, c => putRecord(object(c.req.raw), c.req.raw))
    app.patch(path, c => patchRecord(object(c.req.raw), c.req.raw))
    app.delete(path, c => deleteRecord(object(c.req.raw), c.req.raw))
  }
  for (const path of ['/v1/lists/:name', '/v1/lists/:name/:id']) {
    app.get(path, async c => {
      const request = c.req.raw
      const reader = await readerOf(db, 'lists', request)
      return isRecord(request.url) ? getRecord(reader, request) : answerRange(reader, request)
    })
    app.delete(path, c => deleteRecord(list(c.req.raw), c.req.raw))
    app.on(['PUT', 'PATCH'], path, () => {
      throw new AtollError('UNSUPPORTED', 'records of a List are immutable: insert and delete', {
        what: 'update of a List',
      })
    })
  }
  app.post('/v1/lists/:name', c => insertRecord(list(c.req.raw), c.req.raw))
  app.get('/v1/count/objects/:name', async c => answerCount(await readerOf(db, 'objects', c.req.raw)))
  app.get('/v1/count/lists/:name', async c => answerCount(await readerOf(db, 'lists', c.req.raw)))
}

function collectionName(url: string): string {
  return pathSegments(url)[2] ?? ''
}

/** The collection as it is, or with `?at=<commit>` as it was. @throws INVALID, MISSING, NO_CLUSTER */
async function readerOf(db: Database, kind: CollectionKind, request: Request): Promise<RecordReader<unknown>> {
  const segments = pathSegments(request.url)
  const name = segments[1] === 'count' ? segments.at(-1) : segments[2]
  const at = readQuery(request.url, ['id', ...rangeOptions]).get('at')
  const state = at === undefined ? db : await db.at(at)
  return kind === 'objects' ? state.object<unknown>(name ?? '') : state.list<unknown>(name ?? '')
}

function isRecord(url: string): boolean {
  return pathSegments(url).length > 3 || /[?&]id(=|&|$)/.test(url)
}

/** @throws INVALID */
function recordId(url: string, known: readonly string[] = ['id']): string {
  const segments = pathSegments(url)
  const inQuery = readQuery(url, known).get('id')
  const inPath = segments[3]
  if (inPath !== undefined && inQuery !== undefined) throw invalid('id', 'is in the path and in the query')
  const id = inPath ?? inQuery
  if (id === undefined) throw invalid('id', 'is missing: name the record in the path or as ?id=')
  return id
}

async function getRecord(collection: RecordReader<unknown>, request: Request): Promise<Response> {
  const id = recordId(request.url, ['id', 'at'])
  const { noneMatch } = readPreconditions(request.headers)
  const record = await collection.getRecord(id)
  if (record === undefined)
    throw new AtollError('MISSING', `no record ${JSON.stringify(id)} in ${collection.name}`, { what: 'record', id })
  const etag = `"${record.version}"`
  if (noneMatch === record.version || noneMatch === '*') return new Response(null, { status: 304, headers: { etag } })
  return record.value instanceof Uint8Array
    ? new Response(Buffer.from(record.value), { headers: { 'content-type': 'application/octet-stream', etag } })
    : jsonResponse(record.value, 200, { etag })
}

async function putRecord(objects: AnyObject, request: Request): Promise<Response> {
  const id = recordId(request.url)
  const { match, noneMatch } = readPreconditions(request.headers)
  if (noneMatch !== undefined && noneMatch !== '*') throw invalid('if-none-match', 'must be * on a write')
  if (noneMatch !== undefined && match !== undefined) throw invalid('if-match', 'contradicts if-none-match')
  const value = await readValue(request)
  if (noneMatch === '*') return written(await asPrecondition(true, objects.create(id, value)), 201)
  if (match === undefined) return written(await objects.put(id, value))
  const ifVersion = match === '*' ? {} : { ifVersion: match }
  return written(await asPrecondition(true, objects.update(id, value, ifVersion)))
}

async function patchRecord(objects: AnyObject, request: Request): Promise<Response> {
  const id = recordId(request.url)
  const { match } = readPreconditions(request.headers)
  const patch = await readJson(request)
  const ifVersion = match === undefined || match === '*' ? {} : { ifVersion: match }
  return written(await asPrecondition(match !== undefined, objects.patch(id, patch, ifVersion)))
}

async function deleteRecord(collection: ReadableCollection<unknown>, request: Request): Promise<Response> {
  const id = recordId(request.url)
  const { match } = readPreconditions(request.headers)
  if (match === '*') throw invalid('if-match', 'must be a version on a delete')
  const options = match === undefined ? {} : { ifVersion: match }
  return jsonResponse({ deleted: await asPrecondition(match !== undefined, collection.delete(id, options)) })
}

async function insertRecord(list: AnyList, request: Request): Promise<Response> {
  readQuery(request.url, [])
  const id = await list.insert(await readJson(request))
  return jsonResponse({ id }, 201, { location: `/v1/lists/${list.name}/${id}` })
}

function written({ id, version }: Written, status = 200): Response {
  return jsonResponse({ id, version }, status, { etag: `"${version}"` })
}
