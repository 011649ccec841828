import { invalid } from '@atolldb/core/errors'
import type { Command } from 'commander'

/** What was is read by the commands that read what is: whoever looks for one of its own is told which. */
export function addAt(program: Command): void {
  program
    .command('at', { hidden: true })
    .argument('[words...]')
    .allowUnknownOption()
    .action(() => {
      throw invalid('at', 'get, ls, count and export take --at <commit>, as in: atoll get farms north --at main')
    })
}
