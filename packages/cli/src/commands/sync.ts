import type { Command } from 'commander'
import { parseDuration, parseWhole } from '../durations.ts'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { count } from '../output.ts'

export function addSync(program: Command, io: Io): void {
  program
    .command('sync')
    .description('wait until other nodes hold the same main; prints its id')
    .option('--peers <n>', 'how many of them', '1')
    .option('--timeout <duration>', 'how long at most, e.g. 500ms, 10s, 2m', '30s')
    .action(async (options: { peers: string; timeout: string }, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const peers = parseWhole(options.peers, 'peers')
      const timeout = parseDuration(options.timeout, 'timeout')
      const synced = await withConnection(invocation, ({ client }) => client.sync({ peers, timeout }), {
        needsRunningNode: true,
      })
      if (out.json) return out.object({ schema: 'atoll/sync/v1', ...synced })
      await out.line(synced.main)
      out.note(`in sync with ${count(synced.peers.length, 'node')}`)
    })
}
