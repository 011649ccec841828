import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { readerOf, type ReaderFlags } from '../readers.ts'

export function addCount(program: Command, io: Io): void {
  program
    .command('count')
    .description('how many records a collection has')
    .argument('<collection>')
    .option('--list', 'of the List of that name')
    .option('--at <commit>', 'as it was then: an id, a ref, a moment like @{2 hours ago}')
    .action(async (collection: string, flags: ReaderFlags, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const { kind, records: reader } = await readerOf(client, collection, flags)
        const records = await reader.count()
        await (out.json
          ? out.object({ schema: 'atoll/count/v1', collection, kind, records })
          : out.line(String(records)))
      })
    })
}
