import { idOf, valueOf } from './values.mjs'

/** Records a commit can hold. */
export const commitRecords = 10_000

/** Fills `sensors` with so many records, one full commit after another. `afterBatch` runs before the next one. */
export async function load(db, records, afterBatch = async () => {}) {
  for (let first = 0; first < records; first += commitRecords) {
    const last = Math.min(first + commitRecords, records)
    await db.batch(tx => {
      const sensors = tx.object('sensors')
      for (let index = first; index < last; index++) sensors.put(idOf(index), valueOf(index))
    })
    await afterBatch()
  }
  await db.flush()
}
