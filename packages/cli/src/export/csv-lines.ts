import { AtollError, invalid } from '@atolldb/core/errors'

/**
 * Records as CSV (RFC 4180, lines end with LF): a header, then a line a record, the id first and then each top-level field that
 * any record has. For tables and people; what comes back the same is JSONL.
 *
 *     a string         as it is, also where a spreadsheet would take it for a formula
 *     number, boolean  as JSON prints it
 *     object, array    its JSON text
 *     null, no field   an empty cell, without quotes; the empty string has them
 *
 * A value that is no object has the column `value`. Bytes have no place.
 */

/** A header, and each line, must fit into memory. */
const MAX_COLUMNS = 10_000
/** Of a value that is no object. */
const VALUE_COLUMN = 'value'

export type Entry = readonly [id: string, value: unknown]

/**
 * @param read the records, always the same: they are read twice
 * @throws UNSUPPORTED for bytes, TOO_LARGE for more than 10,000 columns, INVALID where two things want one column; all before the
 * first line
 */
export async function* csvLines(
  read: () => AsyncIterable<Entry>,
  idColumn: string,
): AsyncGenerator<string, void, void> {
  const columns = await findColumns(read(), idColumn)
  yield csvLine([idColumn, ...columns])
  for await (const [id, value] of read()) {
    const fields = fieldsOf(value)
    yield csvLine([id, ...columns.map(column => fields.get(column))])
  }
}

async function findColumns(entries: AsyncIterable<Entry>, idColumn: string): Promise<string[]> {
  const columns = new Set<string>()
  /** A record of which the column is a field; undefined for what has no fields. */
  let valueField: string | undefined
  let withoutFields: string | undefined
  for await (const [id, value] of entries) {
    if (value instanceof Uint8Array)
      throw new AtollError(
        'UNSUPPORTED',
        `the record ${JSON.stringify(id)} is bytes, which CSV cannot say; jsonl can`,
        {
          what: 'bytes in CSV',
        },
      )
    const fields = fieldsOf(value)
    if (!isObject(value)) withoutFields ??= id
    else if (fields.has(VALUE_COLUMN)) valueField ??= id
    for (const [name, field] of fields)
      if (name !== idColumn) columns.add(name)
      else if (field !== id && JSON.stringify(field) !== id) throw taken(idColumn, id)
    if (columns.size > MAX_COLUMNS)
      throw new AtollError('TOO_LARGE', `export: more than ${MAX_COLUMNS} columns`, {
        what: 'columns',
        limit: MAX_COLUMNS,
      })
  }
  if (valueField !== undefined && withoutFields !== undefined)
    throw invalid(
      'export',
      `${JSON.stringify(valueField)} has a field ${VALUE_COLUMN}, and ${JSON.stringify(withoutFields)} is no object`,
    )
  return [...columns]
}

function taken(idColumn: string, id: string): AtollError<'INVALID'> {
  const reason = `${JSON.stringify(id)} has a field ${JSON.stringify(idColumn)} that is not its id; name another column with --id`
  return invalid('export', reason)
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldsOf(value: unknown): ReadonlyMap<string, unknown> {
  return new Map(isObject(value) ? Object.entries(value) : [[VALUE_COLUMN, value]])
}

function csvLine(values: readonly unknown[]): string {
  return values.map(csvCell).join(',')
}

function csvCell(value: unknown): string {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return text === '' || /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text
}
