import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'

export function addFlush(program: Command, io: Io): void {
  program
    .command('flush')
    .description('seal what is pending into a commit; prints its id')
    .action(async (_options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const { commit } = await withConnection(invocation, ({ client }) => client.flush())
      await (out.json ? out.object({ schema: 'atoll/flush/v1', commit }) : out.line(commit))
    })
}
