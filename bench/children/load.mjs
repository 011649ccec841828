import { open } from 'atolldb'
import { answer } from '../child.mjs'
import { closing, timed } from '../harness.mjs'
import { load, loadList } from '../load.mjs'
import { watchingLoop } from '../loop-delay.mjs'
import { peakResidentMB } from '../resident.mjs'

/** Fills a directory with the records of a data set. */
answer(async ({ directory, kind, records }) => {
  const fill = kind === 'lists' ? loadList : load
  const { result: loadMs, loop } = await watchingLoop(() =>
    timed(async () => closing(await open(directory), db => fill(db, records))),
  )
  return { loadMs, loop, peakMB: peakResidentMB() }
})
