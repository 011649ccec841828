import { open } from 'atolldb'
import { closing, inEmptyDirectory, inFlight, median, rate } from '../harness.mjs'
import { load } from '../load.mjs'
import { atLeast } from '../results.mjs'
import { idOf } from '../values.mjs'

const width = 100
const records = 5_000
const gets = 500_000

/**
 * Gets, 100 in flight, of records that the cache holds; every caller gets a copy of its own. The loop is
 * not watched: what is answered at once lets nothing else run as long as its caller goes on asking.
 */
export async function getCached({ directory, rounds }) {
  return inEmptyDirectory(directory, async at =>
    closing(await open(at), async db => {
      await load(db, records)
      const sensors = db.object('sensors')
      const ids = Array.from({ length: records }, (_, index) => idOf(index))
      const getAll = total => rate(total, () => inFlight(total, width, index => sensors.get(ids[index % records])))
      // Twice: the cache keeps what is asked for again.
      await getAll(4 * records)
      const missesBefore = db.cacheCounts().misses
      const rates = []
      for (let round = 0; round < rounds; round++) rates.push(await getAll(gets))
      const missed = db.cacheCounts().misses - missesBefore
      if (missed > 0) throw new Error(`${missed} gets were not served from the cache`)
      return [atLeast('get, 100 in flight, cached', '/s', median(rates), 500_000, 1_000_000)]
    }),
  )
}
