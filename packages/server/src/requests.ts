import {
  AtollError,
  MAX_COMMIT_VALUE_BYTES,
  MAX_JSON_DEPTH,
  MAX_VALUE_BYTES,
  invalid,
  parseCollectionKind,
  parseJson,
  type JsonValue,
} from '@atolldb/core'
import type { CollectionRef, RangeOptions } from 'atolldb'
import { Refusal } from './problems.ts'

/**
 * Reads what a request says, strictly: an id that is not UTF-8, an option that does not exist or one given twice is INVALID,
 * never guessed at.
 */

/** White space and `\u` escapes make a text longer than the canonical form that the limit of a value is about. */
const MAX_JSON_BODY_BYTES = 2 * MAX_VALUE_BYTES
/** Values as base64 or escaped text, ids, and the words of up to 10,000 operations. */
export const MAX_BATCH_BODY_BYTES = 2 * MAX_COMMIT_VALUE_BYTES
/** A value stands in an operation, and that in the array. */
export const MAX_BATCH_DEPTH = MAX_JSON_DEPTH + 2

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

/** The path's segments after the host, decoded. `URL` would collapse `.` and `..`, so the text is cut as it came. @throws INVALID */
export function pathSegments(url: string): string[] {
  const start = url.indexOf('/', url.indexOf('://') + 3)
  const path = url.slice(start + 1).replace(/[?#].*$/s, '')
  return path.split('/').map(segment => decodePercent(segment, 'path'))
}

/** The collection that a path of the form `/v1/…/{objects|lists}/{name}` names; its name is for the library to check. @throws INVALID */
export function readCollection(url: string): CollectionRef {
  const [, , kind, name = ''] = pathSegments(url)
  return { kind: parseCollectionKind(kind), name }
}

/** @throws INVALID for an option that is not known here, or is there twice */
export function readQuery(url: string, known: readonly string[]): ReadonlyMap<string, string> {
  const query = new Map<string, string>()
  const at = url.indexOf('?')
  if (at === -1) return query
  for (const pair of url
    .slice(at + 1)
    .replace(/#.*$/s, '')
    .split('&')) {
    if (pair === '') continue
    const equals = pair.indexOf('=')
    const name = decodePercent(equals === -1 ? pair : pair.slice(0, equals), 'query')
    if (!known.includes(name)) throw invalid('query', `${JSON.stringify(name.slice(0, 64))} is not an option here`)
    if (query.has(name)) throw invalid('query', `${name} is given twice`)
    query.set(name, equals === -1 ? '' : decodePercent(pair.slice(equals + 1).replaceAll('+', ' '), 'query'))
  }
  return query
}

function decodePercent(text: string, what: string): string {
  try {
    return decodeURIComponent(text)
  } catch (error) {
    throw new AtollError(
      'INVALID',
      `${what}: not percent-encoded UTF-8`,
      { what, reason: 'not percent-encoded UTF-8' },
      { cause: error },
    )
  }
}

/** The options of a range in a query. */
export const rangeOptions = ['gt', 'gte', 'lt', 'lte', 'reverse', 'limit', 'cursor', 'at'] as const

/** The range, moved past the cursor when there is one. @throws INVALID */
export function readRange(query: ReadonlyMap<string, string>): RangeOptions {
  const bounds = Object.fromEntries([...query].filter(([name]) => /^[gl]te?$/.test(name)))
  const reverse = readFlag(query, 'reverse')
  const limit = readCount(query, 'limit')
  const cursor = query.get('cursor')
  const range = { ...bounds, reverse, ...(limit === undefined ? {} : { limit }) }
  return cursor === undefined ? range : { ...range, [reverse ? 'lt' : 'gt']: decodeCursor(cursor) }
}

/** A whole number above zero. @throws INVALID */
export function readCount(query: ReadonlyMap<string, string>, name: string): number | undefined {
  const text = query.get(name)
  if (text === undefined) return undefined
  if (!/^[1-9]\d{0,9}$/.test(text)) throw invalid(name, 'must be a whole number above zero')
  return Number(text)
}

/** Off when left out; the name alone means on. @throws INVALID */
export function readFlag(query: ReadonlyMap<string, string>, name: string): boolean {
  const text = query.get(name) ?? 'false'
  if (text !== '' && text !== 'true' && text !== 'false') throw invalid(name, 'must be true or false')
  return text !== 'false'
}

/** A cursor is opaque to clients: the last id of a page, in base64url. */
export function encodeCursor(lastId: string): string {
  return Buffer.from(lastId, 'utf8').toString('base64url')
}

function decodeCursor(cursor: string): string {
  try {
    return decoder.decode(Buffer.from(cursor, 'base64url'))
  } catch (error) {
    throw new AtollError(
      'INVALID',
      'cursor: not one of ours',
      { what: 'cursor', reason: 'not one of ours' },
      { cause: error },
    )
  }
}

/** What a request expects of the record. `match` and `noneMatch` are versions, or `*` for "exists" and "does not". */
export interface Preconditions {
  readonly match: string | undefined
  readonly noneMatch: string | undefined
}

/** @throws INVALID for anything but `*` or one strong entity tag */
export function readPreconditions(headers: Headers): Preconditions {
  return { match: readEntityTag(headers, 'if-match'), noneMatch: readEntityTag(headers, 'if-none-match') }
}

function readEntityTag(headers: Headers, name: string): string | undefined {
  const text = headers.get(name)
  if (text === null || text === '*') return text ?? undefined
  const version = /^"([^"]*)"$/.exec(text)?.[1]
  if (version === undefined) throw invalid(name, 'must be * or one quoted version')
  return version
}

/** The body as a value: JSON, or bytes for `application/octet-stream`. @throws INVALID, TOO_LARGE */
export async function readValue(request: Request): Promise<JsonValue | Uint8Array> {
  if (mediaType(request) === 'application/octet-stream') return readBytes(request, MAX_VALUE_BYTES)
  return readJson(request)
}

/** @throws INVALID for what is no strict JSON (RFC 8259, no doubled keys) or has another media type, TOO_LARGE */
export async function readJson(
  request: Request,
  limit = MAX_JSON_BODY_BYTES,
  maxDepth = MAX_JSON_DEPTH,
): Promise<JsonValue> {
  const type = mediaType(request)
  if (type !== 'application/json' && type !== 'application/merge-patch+json')
    throw new Refusal(invalid('content-type', 'must be application/json'), { status: 415 })
  const bytes = await readBytes(request, limit)
  let text: string
  try {
    text = decoder.decode(bytes)
  } catch (error) {
    throw new AtollError('INVALID', 'body: not UTF-8', { what: 'body', reason: 'not UTF-8' }, { cause: error })
  }
  return parseJson(text, maxDepth)
}

function mediaType(request: Request): string {
  return (request.headers.get('content-type') ?? '').replace(/;.*$/s, '').trim().toLowerCase()
}

async function readBytes(request: Request, limit: number): Promise<Uint8Array> {
  const announced = Number(request.headers.get('content-length') ?? 0)
  if (announced > limit) throw tooLarge(limit, announced)
  if (request.body === null) return new Uint8Array()
  const chunks: Uint8Array[] = []
  let length = 0
  for await (const chunk of request.body as ReadableStream<Uint8Array>) {
    length += chunk.length
    // The announced length is the sender's word; what arrives is counted.
    if (length > limit) throw tooLarge(limit, length)
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function tooLarge(limit: number, actual: number): AtollError<'TOO_LARGE'> {
  return new AtollError('TOO_LARGE', `body: more than ${limit} bytes`, { what: 'body', limit, actual })
}
