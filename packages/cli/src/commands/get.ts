import { AtollError } from '@atolldb/core'
import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { resolveKind } from '../kinds.ts'
import { printableJson } from '../output.ts'

export function addGet(program: Command, io: Io): void {
  program
    .command('get')
    .description('print a record: its JSON, or its bytes as they are')
    .argument('<collection>')
    .argument('<id>')
    .option('--list', 'of the List of that name')
    .action(async (collection: string, id: string, { list }: { list?: boolean }, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const kind = await resolveKind(client, collection, list)
        const records = kind === 'lists' ? client.list<unknown>(collection) : client.object<unknown>(collection)
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
