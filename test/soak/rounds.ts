/** What `scripts/soak` asked for. */
const seed = Number(process.env['ATOLL_SOAK_SEED'] ?? Date.now() % 1_000_000)
/** Which number a test that enumerates begins with. */
export const first = Number(process.env['ATOLL_SOAK_FIRST'] ?? 1)
const minutes = Number(process.env['ATOLL_SOAK_MINUTES'] ?? 5)

/**
 * The seeds of a test's rounds, one after the other until its time is up; always at least one. Each is told before its round
 * begins: `scripts/soak --only <file> --seed <it> --minutes 0` repeats that round alone.
 */
export function* rounds(name: string): Generator<number> {
  const end = performance.now() + minutes * 60_000
  for (let round = 0; round === 0 || performance.now() < end; round++) {
    // oxlint-disable-next-line no-console -- a run of hours tells where it is, and with what to repeat it
    console.log(`${name}: round ${round + 1}, seed ${seed + round}`)
    yield seed + round
  }
}
