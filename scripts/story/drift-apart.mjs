import { recordsOf } from './arrive.mjs'
import { converged } from './convergence.mjs'
import { count, dim, indent, say, section, showCommand, table } from './terminal.mjs'

/**
 * Takes c offline and lets both sides go on. Returns what all must hold once they met again: `{ airports, weather }`, and
 * `cases`, one for each rule of merging, with the value it must give.
 */
export async function driftApart(islands, checks, { airports, weather }) {
  const [a, b, c] = islands
  section('Apart', 'c goes offline. Both sides go on, and some of what they do collides.')
  await act(c, ['offline'])
  const status = await c.json('status')
  checks.equal('c says that it is offline', status.state, 'offline')

  const expected = { airports: new Map(airports), weather: new Map(weather) }
  const firstReadings = [...weather.keys()].slice(0, 3)
  say(`\n${indent(dim('the mainland, a and b:'))}`)
  await writeOnMainland(a, b, expected, firstReadings)
  say(`\n${indent(dim('meanwhile c, alone:'))}`)
  await writeOnC(c, expected, firstReadings)

  await Promise.all(islands.map(island => island.run('flush')))
  await converged([a, b])
  await showDistance(islands, checks)
  return expected
}

/** What a and b do. Their edit of JFK comes before that of c, so that c's is the later one. */
async function writeOnMainland(a, b, expected, [first, second]) {
  const lagoon = { name: 'Lagoon Field', city: 'Atoll' }
  await act(a, ['put', 'airports', 'LAG', JSON.stringify(lagoon)], 'a new airport')
  expected.airports.set('LAG', lagoon)

  await act(a, ['patch', 'airports', 'SEA', '{"name":"Sea-Tac"}'], 'one field here…')
  edit(expected, 'SEA', { name: 'Sea-Tac' })
  await act(b, ['patch', 'airports', 'JFK', '{"name":"Idlewild, says b"}'], 'the same field on both sides…')
  await act(a, ['del', 'airports', 'BLI'], 'deleted here…')
  await act(b, ['del', 'airports', '00M'], 'deleted here only')
  expected.airports.delete('00M')

  await insert(b, expected, { date: 'now', temperature: 21.5, by: 'b' })
  await act(a, ['del', 'weather', first])
  expected.weather.delete(first)
  await act(b, ['del', 'weather', second], 'deleted on both sides…')
  expected.weather.delete(second)
}

/** What c does, knowing nothing of the above. */
async function writeOnC(c, expected, [, second, third]) {
  const reef = { name: 'Reef Strip', city: 'Atoll' }
  await act(c, ['put', 'airports', 'REF', JSON.stringify(reef)], 'a new airport')
  expected.airports.set('REF', reef)

  await act(c, ['patch', 'airports', 'SEA', '{"city":"SeaTac"}'], '…another field there')
  edit(expected, 'SEA', { city: 'SeaTac' })
  await act(c, ['patch', 'airports', 'JFK', '{"name":"Kennedy, says c"}'], '…and this one is later')
  edit(expected, 'JFK', { name: 'Kennedy, says c' })
  await act(c, ['patch', 'airports', 'BLI', '{"city":"Bellingham, still open"}'], '…edited there')
  edit(expected, 'BLI', { city: 'Bellingham, still open' })

  await insert(c, expected, { date: 'now', temperature: 28, by: 'c' })
  await insert(c, expected, { date: 'later', temperature: 27.5, by: 'c' })
  await act(c, ['del', 'weather', second], '…deleted on both sides')
  await act(c, ['del', 'weather', third])
  expected.weather.delete(third)
}

function edit(expected, id, fields) {
  expected.airports.set(id, { ...expected.airports.get(id), ...fields })
}

async function insert(island, expected, value) {
  const id = await act(island, ['insert', 'weather', JSON.stringify(value)])
  expected.weather.set(id, value)
}

/** Runs a command and shows it; resolves with the first word of its answer, which is the id where there is one. */
async function act(island, args, remark) {
  const answer = await island.run(...args)
  showCommand(island.describe(args), remark)
  return answer.split(/\s/)[0]
}

async function showDistance(islands, checks) {
  const statuses = await Promise.all(islands.map(island => island.json('status')))
  say()
  table(
    ['node', 'airports', 'weather', 'main', 'state'],
    statuses.map((status, index) => [
      islands[index].name,
      count(recordsOf(status, 'airports')),
      count(recordsOf(status, 'weather')),
      status.main.slice(0, 10),
      status.state,
    ]),
    { right: true },
  )
  say()
  const [a, b, c] = statuses.map(status => status.main)
  checks.allEqual('a and b went on together', { a, b })
  checks.holds('c went its own way', a !== c, 'c shows the same main')
}
