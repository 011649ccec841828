import { AtollError, invalid } from '@atolldb/core/errors'
import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'

interface RefsFlags {
  readonly previous?: string
  readonly delete?: boolean
}

export function addRefs(program: Command, io: Io): void {
  program
    .command('refs')
    .description('names for commits: list them, print one, or move one by compare-and-swap')
    .argument('[name]')
    .argument('[commit]', 'what it is to name from now on')
    .option('--previous <id>', 'what it must name now; without it, it must not exist')
    .option('--delete', 'remove it')
    .action(async (name: string | undefined, commit: string | undefined, flags: RefsFlags, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client: { refs } }) => {
        if (name === undefined) {
          for (const ref of await refs.list())
            await (out.json ? out.object({ schema: 'atoll/ref/v1', ...ref }) : out.line(`${ref.commit} ${ref.name}`))
          return
        }
        if (flags.delete === true) {
          if (flags.previous === undefined)
            throw invalid(
              '--previous',
              `is missing: --delete takes what the ref names now, as atoll refs ${name} prints it`,
            )
          return refs.delete(name, flags.previous)
        }
        const ref =
          commit === undefined ? await refs.get(name) : (await refs.update(name, commit, flags.previous)).commit
        if (ref === undefined)
          throw new AtollError('MISSING', `no ref ${JSON.stringify(name)}`, { what: 'ref', id: name })
        return out.json ? out.object({ schema: 'atoll/ref/v1', name, commit: ref }) : out.line(ref)
      })
    })
}
