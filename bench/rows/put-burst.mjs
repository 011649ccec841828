import { open } from 'atolldb'
import { alternate, closing, faster, inFlight, rate } from '../harness.mjs'
import { openLevel } from '../reference-level.mjs'
import { idOf, valueOf } from '../values.mjs'

const width = 1000

/** A burst of puts, 1,000 in flight, each durable when it resolves. */
export async function putBurst({ directory, rounds, records }) {
  const values = Array.from({ length: records }, (_, index) => valueOf(index))
  const measures = await alternate({
    directory,
    rounds,
    async subject(at) {
      return closing(await open(at), db => {
        const sensors = db.object('sensors')
        return rate(records, () => inFlight(records, width, index => sensors.put(idOf(index), values[index])))
      })
    },
    async reference(at) {
      return closing(await openLevel(at), level =>
        rate(records, async () => {
          for (let first = 0; first < records; first += width) {
            const batch = []
            for (let index = first; index < Math.min(first + width, records); index++)
              batch.push({ type: 'put', key: idOf(index), value: JSON.stringify(values[index]) })
            await level.batch(batch, { sync: true })
          }
        }),
      )
    },
  })
  const title = `put, 1,000 in flight, ${records.toLocaleString('en-US')} records`
  return faster(title, '/s', measures, 'classic-level batches of 1,000, sync', 0.6, 1)
}
