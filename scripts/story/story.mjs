import { arrive } from './arrive.mjs'
import { agreeAgain } from './agree-again.mjs'
import { askStockGit } from './ask-stock-git.mjs'
import { driftApart } from './drift-apart.mjs'
import { raiseIslands } from './raise-islands.mjs'
import { bold, dim, say } from './terminal.mjs'

/**
 * The chapters, in order. `expected` is what every node must hold at the end, as the story alone says it: the records of the
 * two files, changed by what is done on either side.
 */
export async function tellStory(islands, checks, directory) {
  say(bold('Atoll: three nodes, no master'))
  say(dim('Each is a process with a data directory of its own. They talk over libp2p; their data is a git repository.'))

  await raiseIslands(islands, checks)
  const imported = await arrive(islands, checks)
  const expected = await driftApart(islands, checks, imported)
  await agreeAgain(islands, checks, expected)
  await askStockGit(islands, checks, directory)
}
