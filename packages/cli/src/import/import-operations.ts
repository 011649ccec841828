import type { BatchOperation } from '@atolldb/client'
import type { JsonValue } from '@atolldb/core'
import { AtollError, invalid } from '@atolldb/core/errors'
import { parseListRecordId, parseRecordId } from '@atolldb/core/ids'
import { checkValue } from './value-limits.ts'
import type { ParsedRow } from './parsed-row.ts'

/** How the rows of a file become records of one collection. */
export interface ImportTarget {
  readonly collection: string
  readonly kind: 'objects' | 'lists'
  /** The field or column that holds the id of an Object's record. */
  readonly idField: string | undefined
}

/** One record to write, with the line it came from. `id` is undefined where a List is to choose one. */
export interface ImportRecord {
  readonly line: number
  readonly id: string | undefined
  readonly operation: BatchOperation
  readonly sizeBytes: number
}

/** @throws INVALID, TOO_LARGE naming the line, for a bad row */
export function rowToRecord(row: ParsedRow, target: ImportTarget): ImportRecord {
  const { line } = row
  try {
    if ('problem' in row) throw row.problem
    return target.kind === 'lists' ? listRecord(row.value, line, target) : objectRecord(row, target)
  } catch (error) {
    throw atLine(error, line)
  }
}

/** The same error, whose message begins with the line. */
export function atLine(error: unknown, line: number): unknown {
  if (!(error instanceof AtollError) || error.message.startsWith('line ')) return error
  return new AtollError(error.code, `line ${line}: ${error.message}`, error.data, { cause: error })
}

function listRecord(row: JsonValue, line: number, { collection }: ImportTarget): ImportRecord {
  const exported = asExportedRecord(row)
  // Readings may well have an id and a value of their own: only a List's own id marks a line of `ls --json`.
  const isOurs = exported !== undefined && 'value' in exported && isListRecordId(exported.id)
  if (!isOurs)
    return {
      line,
      id: undefined,
      operation: { op: 'insert', list: collection, value: row },
      sizeBytes: checkValue(row),
    }
  const { value } = exported
  const id = parseListRecordId(exported.id)
  return { line, id, operation: { op: 'restore', list: collection, id, value }, sizeBytes: checkValue(value) }
}

function objectRecord(row: Extract<ParsedRow, { value: JsonValue }>, target: ImportTarget): ImportRecord {
  const { line } = row
  const exported = target.idField === undefined ? asExportedRecord(row.value) : undefined
  if (target.idField === undefined && exported === undefined)
    throw invalid('record', 'has no id: name its field with --id, or give lines {"id":…,"value":…}')
  const id = exported === undefined ? idOf(row, target.idField ?? '') : exported.id
  parseRecordId(id)
  const value = exported === undefined ? row.value : 'value' in exported ? exported.value : exported.bytes
  const sizeBytes = checkValue(value) + id.length
  return { line, id, operation: { op: 'put', object: target.collection, id, value }, sizeBytes }
}

/** Ids are strings: a cell as it stands, a JSON string, or a JSON number as JSON prints it. */
function idOf({ value, cells }: Extract<ParsedRow, { value: JsonValue }>, field: string): string {
  if (cells !== undefined) {
    const cell = cells.get(field)
    if (cell === undefined) throw invalid('id', `there is no column ${JSON.stringify(field)}`)
    if (cell === '') throw invalid('id', `the cell ${JSON.stringify(field)} is empty`)
    return cell
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw invalid('record', 'must be an object')
  const id = Object.hasOwn(value, field) ? value[field] : undefined
  if (typeof id === 'number') return JSON.stringify(id)
  if (typeof id !== 'string') throw invalid('id', `the field ${JSON.stringify(field)} must be a string or a number`)
  return id
}

type ExportedRecord =
  { readonly id: string; readonly value: JsonValue } | { readonly id: string; readonly bytes: Uint8Array }

/** A line as `ls --json` prints it: exactly `id` and `value`, or `id` and `bytes` (base64). */
function asExportedRecord(row: JsonValue): ExportedRecord | undefined {
  if (typeof row !== 'object' || row === null || Array.isArray(row)) return undefined
  const { id, value, bytes, ...rest } = row
  if (typeof id !== 'string' || Object.keys(rest).length > 0) return undefined
  if (bytes === undefined) return value === undefined ? undefined : { id, value }
  if (typeof bytes !== 'string' || value !== undefined) return undefined
  const decoded = Buffer.from(bytes, 'base64')
  return decoded.toString('base64') === bytes ? { id, bytes: new Uint8Array(decoded) } : undefined
}

function isListRecordId(id: string): boolean {
  try {
    parseListRecordId(id)
    return true
  } catch {
    return false
  }
}
