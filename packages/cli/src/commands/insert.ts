import type { Command } from 'commander'
import { readJsonArgument } from '../input.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { checkKind } from '../kinds.ts'

export function addInsert(program: Command, io: Io): void {
  program
    .command('insert')
    .description('add a record to a List; prints its id')
    .argument('<collection>')
    .argument('<value>', 'JSON, or - for stdin')
    .action(async (collection: string, text: string, _options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const value = await readJsonArgument(text, io)
      await withConnection(invocation, async ({ client }) => {
        await checkKind(client, collection, 'lists')
        const id = await client.list(collection).insert(value)
        await (out.json ? out.object({ schema: 'atoll/inserted/v1', collection, id }) : out.line(id))
      })
    })
}
