import { test } from 'vitest'
import { killWhoFollows } from './sigkill/following.ts'

/** ATOLL_SIGKILL_SEED repeats a run's choices, ATOLL_SIGKILL_COUNT makes it longer. */
const seed = Number(process.env['ATOLL_SIGKILL_SEED'] ?? 1)
const kills = Number(process.env['ATOLL_SIGKILL_COUNT'] ?? 6)

test(`${kills} times SIGKILL: the feed misses nothing and keeps its order (seed ${seed})`, async () => {
  await killWhoFollows(seed, kills)
}, 120_000)
