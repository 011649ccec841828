import { invalid } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { confirm } from '../confirm.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { resolveKind } from '../kinds.ts'
import { count } from '../output.ts'

interface DropFlags {
  readonly list?: boolean
  readonly yes?: boolean
}

export function addDrop(program: Command, io: Io): void {
  program
    .command('drop')
    .description('delete all records of a collection, and its settings; one that is not there is fine')
    .argument('<collection>')
    .option('--list', 'the List of that name')
    .option('--yes', 'do not ask')
    .action(async (name: string, { list, yes }: DropFlags, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const kind = await resolveKind(client, name, list)
        const collection = kind === 'lists' ? client.list(name) : client.object(name)
        if (yes !== true) {
          const records = count(await collection.count(), 'record')
          if (!(await confirm(io, `drop ${name} (${kind === 'lists' ? 'List' : 'Object'}) with ${records}?`)))
            throw invalid('drop', 'not confirmed: nothing was deleted; --yes does not ask')
        }
        const { records } = await client.drop(collection)
        if (out.json) await out.object({ schema: 'atoll/dropped/v1', collection: name, kind, records })
        else out.note(`${name}: ${count(records, 'record')} deleted`)
      })
    })
}
