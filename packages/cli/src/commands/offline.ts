import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'

export function addOffline(program: Command, io: Io): void {
  program
    .command('offline')
    .description('close listener and connections, and stay so over restarts, until online')
    .action(async (_options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, ({ client }) => client.offline())
      if (out.json) await out.object({ schema: 'atoll/offline/v1' })
      else out.note('offline: local work goes on; atoll online ends it')
    })
}
