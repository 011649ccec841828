import { open } from 'atolldb'
import { setTimeout as pause } from 'node:timers/promises'
import { answer } from '../child.mjs'
import { closing } from '../harness.mjs'
import { watchingLoop } from '../loop-delay.mjs'
import { peakResidentMB } from '../resident.mjs'
import { idOf, scattered, valueOf } from '../values.mjs'

const stepMs = 10
const writesPerStep = 20

/** Writes 2,000 records a second, here and there among those that are loaded, for so many seconds. */
answer(async ({ directory, records, seconds }) =>
  closing(await open(directory), async db => {
    const sensors = db.object('sensors')
    const { result: writes, loop } = await watchingLoop(async () => {
      const startedAt = performance.now()
      let written = 0
      for (let step = 0; step * stepMs < seconds * 1000; step++) {
        await Promise.all(
          Array.from({ length: writesPerStep }, async () => {
            const index = scattered(written++, records)
            await sensors.put(idOf(index), { ...valueOf(index), written })
          }),
        )
        const earlyMs = startedAt + (step + 1) * stepMs - performance.now()
        if (earlyMs > 0) await pause(earlyMs)
      }
      return written
    })
    return { writes, loop, peakMB: peakResidentMB() }
  }),
)
