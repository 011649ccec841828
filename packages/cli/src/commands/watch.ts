import type { FeedChange } from '@atolldb/client'
import type { Command } from 'commander'
import { valueJson, valueText } from '../change-lines.ts'
import { hasCode } from '../failures.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { hasCollection } from '../kinds.ts'
import { printable, printableId, type Output } from '../output.ts'
import { scopeOf } from '../readers.ts'

interface WatchFlags {
  readonly list?: boolean
  readonly since?: string
  readonly follow: boolean
}

export function addWatch(program: Command, io: Io): void {
  program
    .command('watch')
    .description('every change as it becomes visible here, until interrupted')
    .argument('[collection]')
    .option('--list', 'only the List of that name')
    .option('--since <cursor>', 'go on after the change with that cursor (--json shows them); 0 for the beginning')
    .option('--no-follow', 'end when all that is there was told')
    .action(async (collection: string | undefined, { list, since, follow }: WatchFlags, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const ended = new AbortController()
      const undo = io.onEndSignal(() => ended.abort())
      try {
        await withConnection(invocation, async ({ client }) => {
          if (collection !== undefined && !(await hasCollection(client, collection, list)))
            out.note(
              `there is no collection ${printable(collection)}${follow ? ' yet: waiting for its first record' : ''}`,
            )
          const scope = scopeOf(collection, undefined, list)
          const options = { ...scope, live: follow, signal: ended.signal, ...(since === undefined ? {} : { since }) }
          for await (const change of client.changes(options)) await printChange(change, out)
        })
      } catch (error) {
        // Interrupted is how it ends.
        if (!ended.signal.aborted || !hasCode(error, 'ABORTED')) throw error
      } finally {
        undo()
      }
    })
}

function printChange({ value, ...change }: FeedChange, out: Output): Promise<void> {
  if (out.json) return out.object({ schema: 'atoll/feed/v1', ...change, ...valueJson(value) })
  const { op, collection, id, author, origin } = change
  const who = author === undefined || origin === 'local' ? '' : out.dim(` ${printable(author.name)}`)
  const text = op === 'delete' ? out.yellow('deleted') : valueText(value)
  return out.line(`${collection}/${printableId(id)}  ${text}${who}`)
}
