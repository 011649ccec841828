import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { resolveKind } from '../kinds.ts'
import { printableId } from '../output.ts'

export function addDel(program: Command, io: Io): void {
  program
    .command('del')
    .description('delete a record; one that is not there is fine')
    .argument('<collection>')
    .argument('<id>')
    .option('--list', 'from the List of that name')
    .option('--if-version <version>', 'only if this is its version')
    .action(
      async (
        collection: string,
        id: string,
        { list, ifVersion }: { list?: boolean; ifVersion?: string },
        command: Command,
      ) => {
        const invocation = invocationOf(command, io)
        const { out } = invocation
        await withConnection(invocation, async ({ client }) => {
          const kind = await resolveKind(client, collection, list)
          const records = kind === 'lists' ? client.list(collection) : client.object(collection)
          const deleted = await records.delete(id, ifVersion === undefined ? {} : { ifVersion })
          if (out.json) await out.object({ schema: 'atoll/deleted/v1', collection, kind, id, deleted })
          else if (!deleted) out.note(`${collection} has no record ${printableId(id)}`)
        })
      },
    )
}
