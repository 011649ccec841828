import { open } from 'atolldb'
import { join } from 'node:path'
import { alternate, closing, inEmptyDirectory, inFlight, rate } from '../harness.mjs'
import { openLevel } from '../reference-level.mjs'
import { faster } from '../results.mjs'
import { idOf, shuffled, valueOf } from '../values.mjs'

const width = 100

/** Gets, 100 in flight, of records read once each after an open: nothing of them is in the cache. */
export async function get({ directory, rounds, burst, dataSets, loop }) {
  return inEmptyDirectory(directory, async () => {
    const { directory: atollDirectory } = await dataSets.of('objects', burst)
    const levelDirectory = join(directory, 'loaded-level')
    await closing(await openLevel(levelDirectory), level => loadLevel(level, burst))
    const ids = shuffled(burst).map(idOf)

    const measures = await alternate({
      directory,
      rounds,
      async subject() {
        return closing(await open(atollDirectory), db => {
          const sensors = db.object('sensors')
          return loop.during('gets', () => rate(burst, () => inFlight(burst, width, index => sensors.get(ids[index]))))
        })
      },
      async reference() {
        return closing(await openLevel(levelDirectory), async level => {
          return rate(burst, async () => {
            for (let first = 0; first < burst; first += width) await level.getMany(ids.slice(first, first + width))
          })
        })
      },
    })
    return [faster('get, 100 in flight, not cached', '/s', measures, 'classic-level getMany of 100', 0.5, 0.8)]
  })
}

async function loadLevel(level, records) {
  for (let first = 0; first < records; first += 1000) {
    const batch = level.batch()
    for (let index = first; index < Math.min(first + 1000, records); index++)
      batch.put(idOf(index), JSON.stringify(valueOf(index)))
    await batch.write()
  }
}
