import { open } from 'atolldb'
import { alternate, closing, rate } from '../harness.mjs'
import { openLevel } from '../reference-level.mjs'
import { faster } from '../results.mjs'
import { idOf, valueOf } from '../values.mjs'

const puts = 2000

/** One put at a time, each awaited, each durable. */
export async function putOne({ directory, rounds }) {
  const measures = await alternate({
    directory,
    rounds,
    async subject(at) {
      return closing(await open(at), db => {
        const sensors = db.object('sensors')
        return rate(puts, async () => {
          for (let index = 0; index < puts; index++) await sensors.put(idOf(index), valueOf(index))
        })
      })
    },
    async reference(at) {
      return closing(await openLevel(at), level =>
        rate(puts, async () => {
          for (let index = 0; index < puts; index++)
            await level.put(idOf(index), JSON.stringify(valueOf(index)), { sync: true })
        }),
      )
    },
  })
  return [faster('put, one at a time', '/s', measures, 'classic-level put, sync', 0.8, 1)]
}
