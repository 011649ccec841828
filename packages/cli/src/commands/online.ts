import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'

export function addOnline(program: Command, io: Io): void {
  program
    .command('online')
    .description('listen and connect again')
    .action(async (_options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, ({ client }) => client.online())
      if (out.json) await out.object({ schema: 'atoll/online/v1' })
      else out.note('online')
    })
}
