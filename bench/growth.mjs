import { open } from 'atolldb'
import { join } from 'node:path'
import { inChild } from './child.mjs'
import { closing, inEmptyDirectory, inFlight, median, rate } from './harness.mjs'
import { packBytes, packFiles } from './repository-size.mjs'
import { oneRecordCommits } from './rows/commit.mjs'
import { idOf, scattered, valueOf } from './values.mjs'

const operations = 20_000

/** The same work at sizes from a thousand records on, each ten times the one before. */
export async function growth({ directory, records, rounds, quick, dataSets }) {
  const sizes = []
  for (let size = 1_000; size <= records; size *= 10)
    sizes.push(
      await inEmptyDirectory(join(directory, `${size}`), at => measureSize(at, size, { rounds, quick, dataSets })),
    )
  return { growth: sizes }
}

async function measureSize(at, records, { rounds, quick, dataSets }) {
  const loaded = await dataSets.of('objects', records)
  const repository = join(loaded.directory, 'repo.git')
  const opens = []
  for (let round = 0; round < rounds; round++) opens.push(await inChild('open', { directory: loaded.directory }))
  const objects = await dataSets.copyOf('objects', records, join(at, 'objects'))
  const lists = await dataSets.copyOf('lists', records, join(at, 'lists'))
  const [objectCommit] = await oneRecordCommits('objects', [{ directory: objects, records }])
  const [listCommit] = await oneRecordCommits('lists', [{ directory: lists, records }])
  const getPerSecond = await closing(await open(loaded.directory, { cache: { entries: 0 } }), db => {
    const sensors = db.object('sensors')
    const gets = () =>
      rate(operations, () => inFlight(operations, 100, nth => sensors.get(idOf(scattered(nth, records)))))
    return medianOf(rounds, gets)
  })
  const putPerSecond = await closing(await open(objects), db => {
    const sensors = db.object('sensors')
    const put = nth => {
      const index = scattered(nth, records)
      return sensors.put(idOf(index), { ...valueOf(index), nth })
    }
    return medianOf(rounds, () => rate(operations, () => inFlight(operations, 1000, put)))
  })
  const steady = await inChild('steady-writes', { directory: objects, records, seconds: quick ? 1 : 10 })
  return {
    records,
    putPerSecond,
    getPerSecond,
    objectCommit,
    listCommit,
    openMs: median(opens.map(({ openMs }) => openMs)),
    openMB: median(opens.map(({ residentMB }) => residentMB)),
    steadyMB: steady.peakMB,
    loadMB: loaded.peakMB,
    loadSeconds: loaded.loadMs / 1000,
    packs: [...packFiles(repository).keys()].filter(name => name.endsWith('.pack')).length,
    repositoryBytes: packBytes(repository),
  }
}

/** After one turn to warm up. */
async function medianOf(rounds, turn) {
  const measures = []
  for (let round = 0; round <= rounds; round++) measures.push(await turn())
  return median(measures.slice(1))
}
