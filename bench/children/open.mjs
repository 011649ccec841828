import { open } from 'atolldb'
import { answer } from '../child.mjs'
import { closing, timed } from '../harness.mjs'
import { watchingLoop } from '../loop-delay.mjs'
import { residentMB } from '../resident.mjs'

/** Opens a data directory in a process that did nothing before, and tells what it took and how many heads it then has. */
answer(async ({ directory }) => {
  let db
  const { result: openMs, loop } = await watchingLoop(() => timed(async () => (db = await open(directory))))
  const resident = residentMB()
  return closing(db, async () => ({ openMs, residentMB: resident, loop, heads: (await db.status()).heads.length }))
})
