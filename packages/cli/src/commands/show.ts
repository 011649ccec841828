import type { Command } from 'commander'
import { changeJson, changeLine } from '../change-lines.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { entryJson, logLine } from './log.ts'

export function addShow(program: Command, io: Io): void {
  program
    .command('show')
    .description('a commit and the records it changed, before and after')
    .argument('<commit>', 'main, an id or its beginning, a ref, a moment like @{2026-03-01T12:00Z}')
    .action(async (commit: string, _options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client }) => {
        const { changes, ...entry } = await client.show(commit)
        await (out.json ? out.object({ schema: 'atoll/show/v1', ...entryJson(entry) }) : out.line(logLine(entry, out)))
        for await (const change of changes)
          await (out.json ? out.object(changeJson(change)) : out.line(changeLine(change, out)))
      })
    })
}
