import { open } from 'atolldb'
import { alternate, closing, inFlight, rate } from '../harness.mjs'
import { openLevel } from '../reference-level.mjs'
import { faster, grouped } from '../results.mjs'
import { idOf, valueOf } from '../values.mjs'

const width = 1000

/** A burst of puts, 1,000 in flight, each durable when it resolves. */
export async function putBurst({ directory, rounds, burst, loop }) {
  const values = Array.from({ length: burst }, (_, index) => valueOf(index))
  const measures = await alternate({
    directory,
    rounds,
    async subject(at) {
      return closing(await open(at), db => {
        const sensors = db.object('sensors')
        return loop.during('burst of puts', () =>
          rate(burst, () => inFlight(burst, width, index => sensors.put(idOf(index), values[index]))),
        )
      })
    },
    async reference(at) {
      return closing(await openLevel(at), level =>
        rate(burst, () => writeBatches(level, burst, width, index => values[index])),
      )
    },
  })
  const title = `put, 1,000 in flight, burst of ${grouped(burst)}`
  return [faster(title, '/s', measures, 'classic-level batches of 1,000, sync', 0.6, 1)]
}

/** The reference's fast way: arrays of operations, each synced. */
export async function writeBatches(level, records, size, value) {
  for (let first = 0; first < records; first += size) {
    const batch = []
    for (let index = first; index < Math.min(first + size, records); index++)
      batch.push({ type: 'put', key: idOf(index), value: JSON.stringify(value(index)) })
    await level.batch(batch, { sync: true })
  }
}
