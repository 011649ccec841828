import { setImmediate as turn } from 'node:timers/promises'
import { idOf, valueOf } from './values.mjs'

/** Records a commit can hold. */
export const commitRecords = 10_000
/** The caller gives way to the loop so often, so that a delay of the loop is Atoll's. */
const stretch = 500

/** Fills the Object `sensors` with so many records, one full commit after another. `afterBatch` runs before the next one. */
export async function load(db, records, afterBatch = async () => {}) {
  for (let first = 0; first < records; first += commitRecords) {
    const last = Math.min(first + commitRecords, records)
    await putAll(db, first, last - first, index => index, 0)
    await afterBatch()
  }
  await db.flush()
}

/**
 * One batch of puts: `count` records from the `first` on. `place` says which record the nth is; a `version` other than 0
 * gives it another value than it was loaded with.
 */
export function putAll(db, first, count, place, version) {
  return db.batch(async tx => {
    const sensors = tx.object('sensors')
    for (let nth = first; nth < first + count; nth++) {
      const index = place(nth)
      sensors.put(idOf(index), version === 0 ? valueOf(index) : { ...valueOf(index), version })
      if (nth % stretch === 0) await turn()
    }
  })
}

/** Fills the List `readings`. */
export async function loadList(db, records) {
  const readings = db.list('readings')
  for (let first = 0; first < records; first += commitRecords) {
    const count = Math.min(commitRecords, records - first)
    await readings.insertMany(Array.from({ length: count }, (_, nth) => valueOf(first + nth)))
  }
  await db.flush()
}
