import { AtollError } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { printableJson } from '../output.ts'
import { readerOf, type ReaderFlags } from '../readers.ts'

export function addGet(program: Command, io: Io): void {
  program
    .command('get')
    .description('print a record: its JSON, or its bytes as they are')
    .argument('<collection>')
    .argument('<id>')
    .option('--list', 'of the List of that name')
    .option('--at <commit>', 'as it was then: an id, a ref, a moment like @{2 hours ago}')
    .action(async (collection: string, id: string, flags: ReaderFlags, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const { records } = await readerOf(client, collection, flags)
        const record = await records.getRecord(id)
        if (record === undefined)
          throw new AtollError('MISSING', `no record ${JSON.stringify(id)} in ${collection}`, { what: 'record', id })
        const { value, version } = record
        const isBytes = value instanceof Uint8Array
        if (out.json) {
          const content = isBytes ? { bytes: Buffer.from(value).toString('base64') } : { value }
          return out.object({ schema: 'atoll/record/v1', collection, id, ...content, version })
        }
        if (isBytes) return out.bytes(value)
        return out.line(out.pretty ? printableJson(value, 2) : JSON.stringify(value))
      })
    })
}
