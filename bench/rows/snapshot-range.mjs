import { open } from 'atolldb'
import { closing, median, timed } from '../harness.mjs'
import { grouped, sooner } from '../results.mjs'
import { idOf, scattered } from '../values.mjs'

const few = 1_000
const limit = 100
const warmUpRanges = 10
const ranges = 200

/** Ranges of 100 records, read from the trees of a commit, here and there in a large state and in a small one in turns. */
export async function snapshotRange({ records, dataSets }) {
  const large = await dataSets.of('objects', records)
  const small = await dataSets.of('objects', few)
  const [subject, reference] = await closing(await open(large.directory), async largeDb =>
    closing(await open(small.directory), smallDb =>
      rangesInTurns([
        { db: largeDb, total: records },
        { db: smallDb, total: few },
      ]),
    ),
  )
  const title = `range of 100 on a snapshot at ${grouped(records)} records`
  return [sooner(title, 'ms', { subject, reference }, `at ${grouped(few)}`, 3)]
}

/** The median time of a range of each. */
async function rangesInTurns(dataSets) {
  const sides = []
  for (const { db, total } of dataSets) {
    const { commit } = await db.flush()
    sides.push({ sensors: (await db.at(commit)).object('sensors'), total, times: [] })
  }
  for (let nth = 0; nth < warmUpRanges + ranges; nth++)
    for (const { sensors, total, times } of sides) {
      const ms = await timed(() => readRange(sensors, idOf(scattered(nth, total - limit))))
      if (nth >= warmUpRanges) times.push(ms)
    }
  return sides.map(({ times }) => median(times))
}

async function readRange(sensors, gte) {
  let found = 0
  for await (const [,] of sensors.entries({ gte, limit })) found++
  if (found !== limit) throw new Error(`a range had ${found} records`)
}
