import { test } from 'vitest'
import { killRepeatedly } from './sigkill/killing.ts'

/** ATOLL_SIGKILL_SEED repeats a run's choices, ATOLL_SIGKILL_COUNT makes it longer, as `scripts/soak --only sigkill` does. */
const seed = Number(process.env['ATOLL_SIGKILL_SEED'] ?? 1)
const kills = Number(process.env['ATOLL_SIGKILL_COUNT'] ?? 15)

test(`${kills} times SIGKILL: nothing acknowledged is lost, nothing is halved (seed ${seed})`, async () => {
  await killRepeatedly(seed, kills)
}, 120_000)
