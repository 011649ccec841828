import { Readable, pipeline } from 'node:stream'
import type { JsonValue } from '@atolldb/core'
import { invalid } from '@atolldb/core/errors'
import { CsvError, parse, type Info, type Parser } from 'csv-parse'
import { MAX_ROW_LENGTH, type ParsedRow } from './parsed-row.ts'

/**
 * The rows of a CSV file (RFC 4180: quotes, CRLF or LF, a header line), each an object from column to value. A row with more
 * or fewer cells than the header is bad, not padded.
 *
 * @throws INVALID for a header that cannot name columns, and for text that is no CSV from there on
 */
export async function* csvRows(text: AsyncIterable<string>): AsyncGenerator<ParsedRow, void, void> {
  const parser = startParser(text)
  let columns: readonly string[] | undefined
  let lastLine = 0
  try {
    for await (const { record, info } of parser as AsyncIterable<{ record: string[]; info: Info }>) {
      const line = lastLine + 1
      lastLine = info.lines
      if (columns === undefined) columns = checkHeader(record)
      else yield csvRow(columns, record, line)
    }
  } catch (error) {
    if (!(error instanceof CsvError)) throw error
    throw invalid(`line ${lastLine + 1}`, csvReason(error))
  }
  if (columns === undefined) throw invalid('file', 'is empty: a CSV file begins with a line of column names')
}

function startParser(text: AsyncIterable<string>): Parser {
  const parser = parse({
    info: true,
    // Given, since detection would take the first line's ending for all.
    record_delimiter: ['\r\n', '\n'],
    relax_column_count: true,
    skip_empty_lines: true,
    max_record_size: MAX_ROW_LENGTH,
  })
  // The parser is destroyed with the source's error, which the loop that reads it then throws.
  pipeline(Readable.from(text, { objectMode: true }), parser, () => undefined)
  return parser
}

function checkHeader(columns: readonly string[]): readonly string[] {
  for (const [i, column] of columns.entries()) {
    if (column === '') throw invalid('line 1', `column ${i + 1} has no name`)
    if (columns.indexOf(column) !== i) throw invalid('line 1', `two columns are named ${JSON.stringify(column)}`)
  }
  return columns
}

function csvRow(columns: readonly string[], cells: readonly string[], line: number): ParsedRow {
  if (cells.length !== columns.length)
    return { line, problem: invalid(`line ${line}`, `${cells.length} cells under ${columns.length} columns`) }
  const pairs = columns.map((column, i) => [column, cells[i] ?? ''] as const)
  // fromEntries defines its members, so that a column named __proto__ is a column like any other.
  return { line, value: Object.fromEntries(pairs.map(([k, cell]) => [k, cellToValue(cell)])), cells: new Map(pairs) }
}

const jsonNumber = /^-?(0|[1-9]\d*)(\.\d+)?(e[+-]\d+)?$/

/**
 * A cell is a string, unless it is exactly what JSON would print for a number or a boolean: `12` and `0.5` are numbers; `007`,
 * `1.50`, `1E3`, `-0` and whatever a number could not hold exactly stay text, so nothing is lost.
 */
export function cellToValue(cell: string): JsonValue {
  if (cell === 'true') return true
  if (cell === 'false') return false
  if (!jsonNumber.test(cell)) return cell
  const number = Number(cell)
  return JSON.stringify(number) === cell ? number : cell
}

function csvReason(error: CsvError): string {
  switch (error.code) {
    case 'CSV_QUOTE_NOT_CLOSED':
      return 'a quote is opened and never closed'
    case 'CSV_INVALID_CLOSING_QUOTE':
      return 'text follows a closing quote'
    case 'INVALID_OPENING_QUOTE':
      return 'a quote stands inside an unquoted cell'
    case 'CSV_MAX_RECORD_SIZE':
      return `the row is longer than ${MAX_ROW_LENGTH} characters`
    default:
      return error.code
  }
}
