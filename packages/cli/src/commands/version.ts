import type { Command } from 'commander'
import { invocationOf } from '../invocation.ts'
import type { Io } from '../io.ts'
import { packageVersion } from '../version.ts'

export function addVersion(program: Command, io: Io): void {
  program
    .command('version')
    .description('print the version')
    .action(async (_options: unknown, command: Command) => {
      const { out } = invocationOf(command, io)
      const version = await packageVersion()
      await (out.json ? out.object({ schema: 'atoll/version/v1', version, node: process.version }) : out.line(version))
    })
}
