import type { Command } from 'commander'
import { readJsonArgument } from '../input.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { checkKind } from '../kinds.ts'
import { printWritten } from './put.ts'

export function addPatch(program: Command, io: Io): void {
  program
    .command('patch')
    .description('merge into a record (RFC 7396: null removes a member); prints its version')
    .argument('<collection>')
    .argument('<id>')
    .argument('<patch>', 'JSON, or - for stdin')
    .option('--if-version <version>', 'only if this is its version')
    .action(
      async (collection: string, id: string, text: string, { ifVersion }: { ifVersion?: string }, command: Command) => {
        const invocation = invocationOf(command, io)
        const patch = await readJsonArgument(text, io)
        await withConnection(invocation, async ({ client }) => {
          await checkKind(client, collection, 'objects')
          const condition = ifVersion === undefined ? {} : { ifVersion }
          await printWritten(invocation.out, collection, await client.object(collection).patch(id, patch, condition))
        })
      },
    )
}
