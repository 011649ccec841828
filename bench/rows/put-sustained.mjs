import { open } from 'atolldb'
import { alternate, closing, inFlight, rate } from '../harness.mjs'
import { openLevel } from '../reference-level.mjs'
import { faster, grouped } from '../results.mjs'
import { idOf, valueOf } from '../values.mjs'
import { writeBatches } from './put-burst.mjs'

const width = 1000

/** Puts without a pause, 1,000 in flight, until all of them are sealed and in the view: `close` waits for the view. */
export async function putSustained({ directory, rounds, records, loop }) {
  const measures = await alternate({
    directory,
    rounds: Math.min(rounds, 2),
    warmUp: false,
    async subject(at) {
      const db = await open(at)
      return rate(records, () =>
        closing(db, () =>
          loop.during('sustained puts', async () => {
            const sensors = db.object('sensors')
            await inFlight(records, width, index => sensors.put(idOf(index), valueOf(index)))
            await db.flush()
          }),
        ),
      )
    },
    async reference(at) {
      const level = await openLevel(at)
      return rate(records, () => closing(level, () => writeBatches(level, records, width, valueOf)))
    },
  })
  const title = `put, 1,000 in flight, sustained, ${grouped(records)} records, sealed and in the view`
  return [faster(title, '/s', measures, 'classic-level batches of 1,000, sync', 0.2, 0.4)]
}
