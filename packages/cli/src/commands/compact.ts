import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { count } from '../output.ts'
import { startProgressBar } from '../progress-bar.ts'

export function addCompact(program: Command, io: Io): void {
  program
    .command('compact')
    .description('put the packs of the repository into one, compressed; nodes do so bit by bit by themselves')
    .action(async (_options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const bar = startProgressBar(io, { unit: 'objects', quiet: out.json })
      const onProgress = ({ done, total }: { done: number; total: number }): void => bar.advance(done, total, done)
      const summary = await withConnection(invocation, ({ client }) => client.compact({ onProgress })).finally(() =>
        bar.stop(),
      )
      if (out.json) return out.object({ schema: 'atoll/compact/v1', ...summary })
      const { objects, packsBefore, packsAfter, bytesBefore, bytesAfter } = summary
      if (objects === 0) return out.note(`nothing to do: ${count(packsAfter, 'pack')}`)
      out.note(
        `${count(packsBefore, 'pack')} became ${count(packsAfter, 'pack')}: ` +
          `${count(objects, 'object')}, ${megabytes(bytesBefore)} became ${megabytes(bytesAfter)}`,
      )
    })
}

function megabytes(bytes: number): string {
  return `${(bytes / 1_000_000).toFixed(bytes < 10_000_000 ? 2 : 0)} MB`
}
