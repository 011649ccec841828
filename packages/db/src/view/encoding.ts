/**
 * The view's keys and values, in a LevelDB whose keys are UTF-8 strings. It is derived data: this format may change with
 * a new number in `format`, and the view is then rebuilt.
 *
 *     "f"                                  format number, decimal
 *     "m"                                  mark, JSON: up to where everything below is complete
 *     "n" NUL kind NUL collection          number of live records, JSON
 *     "r" NUL kind NUL collection NUL id   a record
 *
 * All but the first are kept as CRC-32 of key and rest (u32 LE), format (u8: 1 JSON, 2 bytes), content.
 *
 *     mark = { "main": commit id | null, "sealed": sequence, "sequence": sequence, "next": { "main", "sequence" } | absent }
 *
 * A mark says: this is the state of `main`, which has the journal's entries up to `sealed`, with those up to `sequence` on
 * top. With `next`, a part of what leads from there to that is in already.
 *
 * Collection names have no NUL, so the id is everything after the third one, and ids sort by their UTF-8 bytes.
 */
import { crc32 } from 'node:zlib'
import {
  type CollectionKind,
  type CollectionName,
  type CommitId,
  type ContentFormat,
  isObjectId,
  type ObjectId,
  type RecordRef,
} from '@atolldb/core'

export const VIEW_FORMAT = '2'
export const FORMAT_KEY = 'f'
export const MARK_KEY = 'm'
const VALUE_HEADER_BYTES = 5

/** One string per record; no two share one. */
export type ViewKey = `r\0${string}`

export function viewKey(ref: RecordRef): ViewKey {
  return `r\0${ref.kind}\0${ref.collection}\0${ref.id}`
}

export function countKey(kind: CollectionKind, collection: CollectionName): string {
  return `n\0${kind}\0${collection}`
}

export const COUNT_RANGE = { gte: 'n\0', lt: 'n\x01' }

/** All keys of a collection lie in [prefix, end). */
export function collectionRange(kind: CollectionKind, collection: CollectionName): { prefix: string; end: string } {
  const stem = `r\0${kind}\0${collection}`
  return { prefix: `${stem}\0`, end: `${stem}\x01` }
}

/** A record's content in the view. */
export interface ViewContent {
  readonly format: ContentFormat
  readonly bytes: Uint8Array
  /** The blob id of the bytes, once somebody asked for it (`contentVersion`). */
  version?: ObjectId
}

export function encodeViewValue(key: string, content: ViewContent): Buffer {
  const value = Buffer.allocUnsafe(VALUE_HEADER_BYTES + content.bytes.length)
  value[4] = content.format === 'json' ? 1 : 2
  value.set(content.bytes, VALUE_HEADER_BYTES)
  value.writeUInt32LE(crc32(value.subarray(4), crc32(key)), 0)
  return value
}

/** Undefined when the value is damaged. The bytes are a view of `value`. */
export function decodeViewValue(key: string, value: Buffer): ViewContent | undefined {
  if (value.length < VALUE_HEADER_BYTES || (value[4] !== 1 && value[4] !== 2)) return undefined
  if (value.readUInt32LE(0) !== crc32(value.subarray(4), crc32(key))) return undefined
  return { format: value[4] === 1 ? 'json' : 'bytes', bytes: value.subarray(VALUE_HEADER_BYTES) }
}

/** Up to where the view is complete: see the top of this file. */
export interface ViewMark extends ViewPosition {
  readonly sealed: number
  readonly next?: ViewPosition
}

export interface ViewPosition {
  readonly main: CommitId | undefined
  readonly sequence: number
}

export function encodeViewJson(key: string, json: unknown): Buffer {
  return encodeViewValue(key, { format: 'json', bytes: Buffer.from(JSON.stringify(json)) })
}

export function encodeMark({ next, ...mark }: ViewMark): Buffer {
  const stored = { ...mark, main: mark.main ?? null }
  return encodeViewJson(
    MARK_KEY,
    next === undefined ? stored : { ...stored, next: { ...next, main: next.main ?? null } },
  )
}

/** Undefined when it is damaged: then it vouches for nothing. */
export function decodeMark(value: Buffer): ViewMark | undefined {
  const stored = decodeViewJson(MARK_KEY, value) as
    (PositionJson & { sealed?: unknown; next?: PositionJson }) | undefined
  const position = stored && toPosition(stored)
  if (position === undefined || typeof stored?.sealed !== 'number') return undefined
  const mark = { ...position, sealed: stored.sealed }
  if (stored.next === undefined) return mark
  const next = toPosition(stored.next)
  return next && { ...mark, next }
}

/** Undefined when it is damaged. */
export function decodeViewJson(key: string, value: Buffer): unknown {
  const content = decodeViewValue(key, value)
  return content && JSON.parse(Buffer.from(content.bytes).toString('utf8'))
}

interface PositionJson {
  readonly main?: unknown
  readonly sequence?: unknown
}

function toPosition({ main, sequence }: PositionJson): ViewPosition | undefined {
  if (typeof sequence !== 'number') return undefined
  if (main === null) return { main: undefined, sequence }
  return typeof main === 'string' && isObjectId(main) ? { main: main as CommitId, sequence } : undefined
}
