import type { LogEntry } from '@atolldb/client'
import type { Command } from 'commander'
import { parseWhole } from '../durations.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { printable, type Output } from '../output.ts'

export function addLog(program: Command, io: Io): void {
  program
    .command('log')
    .description('the commits from main back, newest first')
    .option('--limit <n>', 'at most so many')
    .action(async ({ limit }: { limit?: string }, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const options = limit === undefined ? {} : { limit: parseWhole(limit, 'limit') }
      await withConnection(invocation, async ({ client }) => {
        for await (const entry of client.log(options))
          await (out.json ? out.object({ schema: 'atoll/log/v1', ...entry }) : out.line(logLine(entry, out)))
      })
    })
}

function logLine({ commit, author, time, subject }: LogEntry, out: Output): string {
  const date = time.toISOString().replace('T', ' ').slice(0, 19)
  return `${out.yellow(commit.slice(0, 10))} ${out.dim(date)} ${printable(author.name)}: ${printable(subject)}`
}
