import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { resolveKind } from '../kinds.ts'

export function addCount(program: Command, io: Io): void {
  program
    .command('count')
    .description('how many records a collection has')
    .argument('<collection>')
    .option('--list', 'of the List of that name')
    .action(async (collection: string, { list }: { list?: boolean }, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const kind = await resolveKind(client, collection, list)
        const records = await (kind === 'lists' ? client.list(collection) : client.object(collection)).count()
        await (out.json
          ? out.object({ schema: 'atoll/count/v1', collection, kind, records })
          : out.line(String(records)))
      })
    })
}
