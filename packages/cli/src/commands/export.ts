import { invalid } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { valueJson } from '../change-lines.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { readerOf, type ReaderFlags } from '../readers.ts'

interface ExportFlags extends ReaderFlags {
  readonly format: string
}

export function addExport(program: Command, io: Io): void {
  program
    .command('export')
    .description('write all records of a collection to stdout, in the order of their ids; import takes them')
    .argument('<collection>')
    .option('--list', 'of the List of that name')
    .option('--at <commit>', 'as it was then: an id, a ref, a moment like @{2 hours ago}')
    .option('--format <format>', 'jsonl (a record {"id":…,"value":…} a line) or json (an array of them)', 'jsonl')
    .action(async (collection: string, flags: ExportFlags, command: Command) => {
      const { format } = flags
      if (format !== 'jsonl' && format !== 'json') throw invalid('format', 'must be jsonl or json')
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const { records } = await readerOf(client, collection, flags)
        let isFirst = true
        if (format === 'json') await out.line('[')
        for await (const [id, value] of records.entries()) {
          const comma = format === 'jsonl' || isFirst ? '' : ','
          await out.line(comma + JSON.stringify({ id, ...valueJson(value) }))
          isFirst = false
        }
        if (format === 'json') await out.line(']')
      })
    })
}
