import { contentOf } from './arrive.mjs'
import { converged } from './convergence.mjs'
import { git } from './stock-git.mjs'
import { bold, count, say, seconds, section, showCommand, table } from './terminal.mjs'

/** Brings c back, waits until all three agree, shows them side by side, and holds every value against the expected one. */
export async function agreeAgain(islands, checks, expected) {
  const [a, , c] = islands
  section('Together again', 'c comes back. Nobody decides; everybody computes the same.')

  const startedAt = performance.now()
  await c.run('online')
  showCommand(c.describe(['online']))
  const { main, msByName } = await converged(islands, { startedAt })
  await a.run('sync', '--peers', '2', '--timeout', '30s')
  showCommand('atoll --data ./a sync --peers 2', `agreed after ${seconds(Math.max(...Object.values(msByName)))}`)
  const flushed = await Promise.all(islands.map(island => island.run('flush')))

  const contents = await Promise.all(islands.map(contentOf))
  const commits = await Promise.all(islands.map(commitsOf))
  say()
  showSideBySide(islands, contents, commits, flushed, msByName)

  say()
  checks.allEqual('the three show the same main', byName(islands, flushed))
  checks.equal('and it is the one that status told', flushed[0], main)
  checks.allEqual('the three have the same number of commits', byName(islands, commits))
  checkCases(islands, checks, contents, expected)
  for (const [index, { name }] of islands.entries()) {
    checks.sameRecords(`${name}: every airport as expected`, contents[index].airports, expected.airports)
    checks.sameRecords(`${name}: every reading as expected`, contents[index].weather, expected.weather)
  }
}

function showSideBySide(islands, contents, commits, mains, msByName) {
  const row = (title, cells) => [bold(title), ...cells]
  table(
    ['', ...islands.map(({ name }) => name)],
    [
      row(
        'airports',
        contents.map(content => count(content.airports.size)),
      ),
      row(
        'weather',
        contents.map(content => count(content.weather.size)),
      ),
      row('commits', commits.map(count)),
      row(
        'main',
        mains.map(main => main.slice(0, 10)),
      ),
      row(
        'converged after',
        islands.map(({ name }) => seconds(msByName[name])),
      ),
    ],
    { right: true },
  )
}

/** The rules of merging one by one, in words, before the whole content is compared. */
function checkCases(islands, checks, contents, expected) {
  const onAll = pick => byName(islands, contents.map(pick))
  const everywhere = value => Object.fromEntries(islands.map(({ name }) => [name, value]))
  const airport = id => content => content.airports.get(id)

  const seattle = expected.airports.get('SEA')
  checks.equal('different fields of SEA: both edits are there', onAll(airport('SEA')), everywhere(seattle))
  checks.equal(
    'the same field of JFK: the later edit, on all',
    onAll(airport('JFK')),
    everywhere(expected.airports.get('JFK')),
  )
  checks.equal(
    'BLI, deleted here and edited there: the edit stays',
    onAll(airport('BLI')),
    everywhere(expected.airports.get('BLI')),
  )
  checks.equal('00M, deleted on one side only: gone', onAll(airport('00M')), everywhere(undefined))
  checks.equal(
    'the new airports of both sides are there',
    onAll(({ airports }) => [airports.has('LAG'), airports.has('REF')]),
    everywhere([true, true]),
  )
  checks.equal(
    'the list is the union of the inserts, less every delete',
    onAll(({ weather }) => weather.size),
    everywhere(expected.weather.size),
  )
}

function byName(islands, values) {
  return Object.fromEntries(islands.map(({ name }, index) => [name, values[index]]))
}

async function commitsOf({ repository }) {
  const { stdout } = await git('-C', repository, 'rev-list', '--count', 'main')
  return Number(stdout)
}
