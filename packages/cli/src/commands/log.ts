import type { Client, LogEntry } from '@atolldb/client'
import { AtollError } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { changeJson, changeLine } from '../change-lines.ts'
import { parseWhole } from '../durations.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { hasCollection, missingCollection } from '../kinds.ts'
import { printable, printableId, type Output } from '../output.ts'
import { readerOf, scopeOf } from '../readers.ts'

interface LogFlags {
  readonly limit?: string
  readonly from?: string
  readonly list?: boolean
}

export function addLog(program: Command, io: Io): void {
  program
    .command('log')
    .description('the commits from main back, newest first; those that changed a collection, or a record and how')
    .argument('[collection]')
    .argument('[id]')
    .option('--list', 'only the List of that name')
    .option('--from <commit>', 'begin there: an id, a ref, a moment like @{2 hours ago}')
    .option('--limit <n>', 'at most so many')
    .action(async (collection: string | undefined, id: string | undefined, flags: LogFlags, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const { limit, from } = flags
      const options = {
        ...(limit === undefined ? {} : { limit: parseWhole(limit, 'limit') }),
        ...(from === undefined ? {} : { from }),
      }
      await withConnection(invocation, async ({ client }) => {
        const scope = scopeOf(collection, id, flags.list)
        let isEmpty = true
        for await (const entry of client.log({ ...options, ...scope })) {
          isEmpty = false
          await (out.json ? out.object({ schema: 'atoll/log/v1', ...entryJson(entry) }) : printEntry(entry, out))
        }
        if (!isEmpty || collection === undefined) return
        await checkIsThere(client, collection, id, flags.list)
        out.note('no commit there has it yet; atoll flush makes one of what is pending')
      })
    })
}

/** What no commit has ever had may have been written since. @throws MISSING */
async function checkIsThere(
  client: Client,
  name: string,
  id: string | undefined,
  list: boolean | undefined,
): Promise<void> {
  if (id === undefined) {
    if (!(await hasCollection(client, name, list))) throw missingCollection(name)
    return
  }
  const { records } = await readerOf(client, name, list === undefined ? {} : { list })
  if (!(await records.has(id)))
    throw new AtollError('MISSING', `no commit has ${name}/${printableId(id)}`, { what: 'record', id })
}

async function printEntry(entry: LogEntry, out: Output): Promise<void> {
  await out.line(logLine(entry, out))
  if (entry.change !== undefined) await out.line(`  ${changeLine(entry.change, out)}`)
}

export function entryJson({ change, ...entry }: LogEntry): object {
  return change === undefined ? entry : { ...entry, change: changeJson(change) }
}

export function logLine({ commit, author, time, subject }: LogEntry, out: Output): string {
  const date = time.toISOString().replace('T', ' ').slice(0, 19)
  return `${out.yellow(commit.slice(0, 10))} ${out.dim(date)} ${printable(author.name)}: ${printable(subject)}`
}
