import type { JsonValue } from '@atolldb/core'
import { AtollError, isAtollError } from '@atolldb/core/errors'

/** A row of a file: a value with the text that may serve as its id, or the reason why it is bad. Lines count from 1. */
export type ParsedRow =
  | { readonly line: number; readonly value: JsonValue; readonly cells?: ReadonlyMap<string, string> }
  | { readonly line: number; readonly problem: AtollError }

/** The largest text of one row that is looked at; a file without line ends must not fill the memory. */
export const MAX_ROW_LENGTH = 8 * 1024 * 1024

export function badRow(line: number, error: unknown): ParsedRow {
  if (!isAtollError(error)) throw error
  return { line, problem: error }
}

export function rowTooLong(line: number): AtollError<'TOO_LARGE'> {
  const what = `line ${line}`
  return new AtollError('TOO_LARGE', `${what}: more than ${MAX_ROW_LENGTH} characters`, { what, limit: MAX_ROW_LENGTH })
}
