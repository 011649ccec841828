import { invalid } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { csvRows } from '../import/csv-rows.ts'
import { importRecords, type ImportOptions } from '../import/import-records.ts'
import { ImportStopped, type ImportProgress } from '../import/import-stopped.ts'
import { decodeChunks, openImportSource, type ImportSource } from '../import/import-source.ts'
import { jsonArrayRows, jsonLineRows } from '../import/json-rows.ts'
import type { ParsedRow } from '../import/parsed-row.ts'
import { invocationOf, withConnection, type Invocation } from '../invocation.ts'
import type { Io } from '../io.ts'
import { checkKind } from '../kinds.ts'
import { count, printable, type Output } from '../output.ts'
import { startProgressBar } from '../progress-bar.ts'

interface ImportFlags {
  readonly id?: string
  readonly list?: boolean
  readonly skipBad?: boolean
  readonly onDuplicate?: string
  readonly format?: string
}

/** Bad rows that are named one by one; the rest are counted. */
const NAMED_BAD_ROWS = 10

export function addImport(program: Command, io: Io): void {
  program
    .command('import')
    .description('read records from a CSV, JSON or JSONL file, in batches of 1,000, each all or nothing')
    .argument('<collection>')
    .argument('<file>', '- for stdin')
    .option('--id <field>', 'the column or field that holds the id')
    .option('--list', 'insert into a List')
    .option('--skip-bad', 'leave bad rows out instead of stopping at the first')
    .option('--on-duplicate <which>', 'of rows with one id: first or last')
    .option('--format <format>', 'csv, json or jsonl (default: by the name of the file)')
    .action(async (collection: string, file: string, flags: ImportFlags, command: Command) => {
      const invocation = invocationOf(command, io)
      const source = await openImportSource(file, flags.format, io)
      try {
        const options = readOptions(collection, source, flags)
        await runImport(invocation, source, options)
      } finally {
        await source.close()
      }
    })
}

/** @throws INVALID */
function readOptions(collection: string, { format }: ImportSource, flags: ImportFlags): ImportOptions {
  const { id: idField, list = false, skipBad = false, onDuplicate } = flags
  if (list && idField !== undefined) throw invalid('import', '--id is for Objects: a List chooses its ids')
  if (!list && format === 'csv' && idField === undefined)
    throw invalid('import', 'say which column holds the id with --id, or import into a List with --list')
  if (onDuplicate !== undefined && onDuplicate !== 'first' && onDuplicate !== 'last')
    throw invalid('on-duplicate', 'must be first or last')
  return { collection, kind: list ? 'lists' : 'objects', idField, skipBad, onDuplicate }
}

async function runImport(
  { io, out, directory }: Invocation,
  source: ImportSource,
  options: ImportOptions,
): Promise<void> {
  const started = performance.now()
  const seconds = (): number => Number(((performance.now() - started) / 1000).toFixed(3))
  const bar = startProgressBar(io, { unit: 'records', quiet: out.json })
  let read = 0
  let named = 0
  const noteSkipped = (message: string): void => {
    named += 1
    if (named <= NAMED_BAD_ROWS) out.note(`left out: ${printable(message)}`)
    if (named === NAMED_BAD_ROWS + 1) out.note('left out: more of them')
  }
  const chunks = counted(source.chunks, bytes => (read += bytes))
  try {
    const progress = await withConnection({ io, out, directory }, async ({ client }) => {
      await checkKind(client, options.collection, options.kind)
      if (options.kind === 'lists')
        noteInsertsAgain(await client.list(options.collection).count(), options.collection, out)
      return importRecords(client, parseRows(source.format, decodeChunks(chunks)), {
        ...options,
        onProgress: ({ records }) => bar.advance(read, source.sizeBytes ?? 0, records),
        onSkipped: problem => noteSkipped(problem.message),
      })
    })
    bar.stop()
    await report(progress, undefined, seconds(), options, out)
  } catch (error) {
    bar.stop()
    if (error instanceof ImportStopped) await report(error.progress, error, seconds(), options, out)
    throw error
  }
}

function parseRows(format: ImportSource['format'], text: AsyncIterable<string>): AsyncIterable<ParsedRow> {
  switch (format) {
    case 'csv':
      return csvRows(text)
    case 'json':
      return jsonArrayRows(text)
    case 'jsonl':
      return jsonLineRows(text)
  }
}

async function* counted(
  chunks: AsyncIterable<Uint8Array>,
  onBytes: (bytes: number) => void,
): AsyncGenerator<Uint8Array, void, void> {
  for await (const chunk of chunks) {
    onBytes(chunk.length)
    yield chunk
  }
}

function noteInsertsAgain(records: number, collection: string, out: Output): void {
  if (records > 0)
    out.note(
      `${collection} has ${count(records, 'record')} already: rows without an id of a List are added, even those that were imported before`,
    )
}

async function report(
  { records, batches, skipped, duplicates }: ImportProgress,
  stopped: ImportStopped | undefined,
  seconds: number,
  { collection, kind }: ImportOptions,
  out: Output,
): Promise<void> {
  if (out.json) {
    const reason = stopped === undefined ? null : stopped.message
    const result = { collection, kind, records, batches, skipped, duplicates, seconds, stopped: reason }
    return out.object({ schema: 'atoll/import/v1', ...result })
  }
  const extra = [
    skipped > 0 ? `${count(skipped, 'bad row')} left out` : '',
    duplicates > 0 ? count(duplicates, 'repeated id') : '',
  ]
  const parts = [`${count(records, 'record')} in ${count(batches, 'batch', 'batches')}`, `${seconds} s`, ...extra]
  out.note(`${collection}: ${parts.filter(part => part !== '').join(', ')}`)
}
