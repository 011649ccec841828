import type { RangeOptions, RecordReader } from 'atolldb'
import { contentShape, type ContentShape } from './content-shape.ts'
import { encodeCursor, rangeOptions, readQuery, readRange } from './requests.ts'
import { jsonResponse, ndjsonResponse, wantsNdjson } from './responses.ts'

const DEFAULT_PAGE_RECORDS = 100
const MAX_PAGE_RECORDS = 1_000
/** A page ends early beyond this, so that a page of large values stays small; it always has one record. */
const PAGE_TARGET_BYTES = 4 * 1024 * 1024

/** A record as a page or a line shows it. */
type RecordShape = { readonly id: string; readonly version: string } & ContentShape

/**
 * A range of a collection: as NDJSON in full when asked for, else a page `{ records, next }` whose `Link: rel="next"` names the
 * following one. A page is consistent in itself; the next one sees what was written meanwhile, unless all are read `?at=` one commit.
 *
 * @throws INVALID
 */
export async function answerRange(collection: RecordReader<unknown>, request: Request): Promise<Response> {
  const query = readQuery(request.url, rangeOptions)
  const range = { ...readRange(query), signal: request.signal }
  if (wantsNdjson(request)) return ndjsonResponse(recordShapes(collection, range))

  const limit = Math.min(range.limit ?? DEFAULT_PAGE_RECORDS, MAX_PAGE_RECORDS)
  const records: string[] = []
  let bytes = 0
  let lastId: string | undefined
  let more = false
  // One beyond the page tells whether there is a next one.
  for await (const record of recordShapes(collection, { ...range, limit: limit + 1 })) {
    more = records.length === limit || bytes > PAGE_TARGET_BYTES
    if (more) break
    const text = JSON.stringify(record)
    bytes += text.length
    records.push(text)
    lastId = record.id
  }
  if (!more || lastId === undefined) return page(records, undefined)
  return page(records, { cursor: encodeCursor(lastId), link: nextLink(request.url, query, encodeCursor(lastId)) })
}

function page(records: readonly string[], next: { cursor: string; link: string } | undefined): Response {
  const text = `{"records":[${records.join(',')}]${next === undefined ? '' : `,"next":${JSON.stringify(next.cursor)}`}}`
  return new Response(text, {
    headers: { 'content-type': 'application/json', ...(next === undefined ? {} : { link: next.link }) },
  })
}

function nextLink(url: string, query: ReadonlyMap<string, string>, cursor: string): string {
  const { pathname } = new URL(url)
  const parameters = new URLSearchParams([...new Map([...query, ['cursor', cursor]])])
  return `<${pathname}?${parameters.toString()}>; rel="next"`
}

async function* recordShapes(
  collection: RecordReader<unknown>,
  range: RangeOptions,
): AsyncGenerator<RecordShape, void, void> {
  for await (const { id, value, version } of collection.records(range)) yield { id, ...contentShape(value), version }
}

export async function answerCount(collection: RecordReader<unknown>): Promise<Response> {
  return jsonResponse({ count: await collection.count() })
}
