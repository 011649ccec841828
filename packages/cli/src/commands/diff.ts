import type { Command } from 'commander'
import { changeJson, changeLine } from '../change-lines.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { scopeOf } from '../readers.ts'

export function addDiff(program: Command, io: Io): void {
  program
    .command('diff')
    .description('the records that differ between two commits')
    .argument('<from>')
    .argument('<to>')
    .argument('[collection]')
    .argument('[id]')
    .option('--list', 'only the List of that name')
    .action(async (from: string, to: string, ...rest: [string?, string?, { list?: boolean }?, Command?]) => {
      const [collection, id, flags, command = program] = rest
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        for await (const change of client.diff(from, to, scopeOf(collection, id, flags?.list)))
          await (out.json
            ? out.object({ schema: 'atoll/change/v1', ...(changeJson(change) as object) })
            : out.line(changeLine(change, out)))
      })
    })
}
