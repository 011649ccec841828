import { open } from 'atolldb'
import { answer } from '../child.mjs'
import { closing, timed } from '../harness.mjs'
import { watchingLoop } from '../loop-delay.mjs'
import { residentMB } from '../resident.mjs'

/**
 * Opens a data directory in a process that did nothing before, and tells what it took, how many heads it then has, and what the
 * node said of a large merge that it made.
 */
answer(async ({ directory }) => {
  let db
  let largeMerge
  const log = (level, message, fields) => {
    if (message === 'a large merge') largeMerge = fields
  }
  const { result: openMs, loop } = await watchingLoop(() => timed(async () => (db = await open(directory, { log }))))
  const resident = residentMB()
  return closing(db, async () => {
    const { heads } = await db.status()
    return { openMs, residentMB: resident, loop, heads: heads.length, largeMerge }
  })
})
