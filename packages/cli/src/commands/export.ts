import type { ReadableClient } from '@atolldb/client'
import { invalid } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { valueJson } from '../change-lines.ts'
import { csvLines, type Entry } from '../export/csv-lines.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { missingCollection } from '../kinds.ts'
import { readerOf, type ReaderFlags } from '../readers.ts'

interface ExportFlags extends ReaderFlags {
  readonly format: string
  readonly id?: string
}

const formats = ['jsonl', 'json', 'csv']

export function addExport(program: Command, io: Io): void {
  program
    .command('export')
    .description('write all records of a collection to stdout, in the order of their ids; import takes them')
    .argument('<collection>')
    .option('--list', 'of the List of that name')
    .option('--at <commit>', 'as it was then: an id, a ref, a moment like @{2 hours ago}')
    .option('--format <format>', 'jsonl (a record {"id":…,"value":…} a line), json (an array of them) or csv', 'jsonl')
    .option('--id <column>', 'the column of the ids in csv (default: id)')
    .action(async (collection: string, flags: ExportFlags, command: Command) => {
      const { format, id } = flags
      if (!formats.includes(format)) throw invalid('format', `must be one of ${formats.join(', ')}`)
      if (id !== undefined && format !== 'csv') throw invalid('export', '--id names a column of csv')
      const invocation = invocationOf(command, io)
      await withConnection(invocation, async ({ client }) => {
        // Columns are found before lines are written: both must be of one state.
        const at = format === 'csv' ? { at: flags.at ?? (await client.flush()).commit } : {}
        const { records } = await readerOf(client, collection, { ...flags, ...at })
        // A backup of a mistyped name must not pass for one.
        if (await isEmpty(records)) throw missingCollection(collection)
        for await (const line of exportLines(records, format, id)) await invocation.out.line(line)
      })
    })
}

/** A collection that has no records is not there. */
async function isEmpty(records: ReadableClient<unknown>): Promise<boolean> {
  const ids: string[] = []
  for await (const id of records.keys({ limit: 1 })) ids.push(id)
  return ids.length === 0
}

function exportLines(records: ReadableClient<unknown>, format: string, id = 'id'): AsyncIterable<string> {
  if (format === 'csv') return csvLines(() => records.entries(), id)
  return format === 'json' ? jsonLines(records.entries()) : jsonlLines(records.entries())
}

/** Exactly two members each, `id` and `value` or `id` and `bytes` (base64), so that nobody need guess which. */
async function* jsonlLines(entries: AsyncIterable<Entry>): AsyncGenerator<string, void, void> {
  for await (const [id, value] of entries) yield JSON.stringify({ id, ...valueJson(value) })
}

async function* jsonLines(entries: AsyncIterable<Entry>): AsyncGenerator<string, void, void> {
  yield '['
  let comma = ''
  for await (const line of jsonlLines(entries)) {
    yield comma + line
    comma = ','
  }
  yield ']'
}
