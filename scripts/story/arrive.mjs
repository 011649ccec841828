import { airportsFile, readCsv, weatherFile } from './data-files.mjs'
import { converged } from './convergence.mjs'
import { count, say, seconds, section, showCommand, table } from './terminal.mjs'

/** Imports the airports on a and the weather on b, at the same time, and watches both arrive everywhere. */
export async function arrive(islands, checks) {
  const [a, b] = islands
  section('Real data', 'Airports into an Object on a, hourly weather into a List on b, at the same time.')

  const startedAt = performance.now()
  const [airportsMs, weatherMs] = await Promise.all([
    timed(() => a.run('import', 'airports', airportsFile, '--id', 'iata')),
    timed(() => b.run('import', 'weather', weatherFile, '--list')),
  ])
  showCommand('atoll --data ./a import airports airports.csv --id iata', seconds(airportsMs))
  showCommand('atoll --data ./b import weather seattle-weather-hourly-normals.csv --list', seconds(weatherMs))

  const airports = readCsv(airportsFile)
  const weather = readCsv(weatherFile)
  const complete = latest =>
    [...latest.values()].every(
      ({ status }) =>
        recordsOf(status, 'airports') === airports.length && recordsOf(status, 'weather') === weather.length,
    )
  const { main, msByName } = await converged(islands, { startedAt, accept: complete })
  await a.run('sync', '--peers', '2', '--timeout', '30s')

  say()
  const contents = await Promise.all(islands.map(contentOf))
  table(
    ['node', 'airports', 'weather', 'main', 'all there after'],
    islands.map(({ name }, index) => [
      name,
      count(contents[index].airports.size),
      count(contents[index].weather.size),
      main.slice(0, 10),
      seconds(msByName[name]),
    ]),
    { right: true },
  )

  say()
  const expectedAirports = new Map(airports.map(row => [row.iata, row]))
  for (const [index, { name }] of islands.entries()) {
    const { airports: found, weather: readings } = contents[index]
    checks.sameRecords(`${name} holds every airport of the file, value for value`, found, expectedAirports)
    checks.equal(`${name} holds every reading of the file, in its order`, [...readings.values()], weather)
  }
  return { airports: expectedAirports, weather: contents[0].weather }
}

export async function contentOf(island) {
  const [airports, weather] = await Promise.all([island.records('airports'), island.records('weather')])
  return { airports, weather }
}

export function recordsOf(status, collection) {
  return status.collections.find(({ name }) => name === collection)?.records ?? 0
}

async function timed(work) {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}
