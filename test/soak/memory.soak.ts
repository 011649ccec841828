import { expect, test } from 'vitest'
import { syncLargerThanMemory } from '../memory/larger-than-memory.ts'

/** 64 KiB each: 1 GiB, which repository and view both hold. */
const RECORDS = 16_384
const MOST_BYTES = 256 * 1024 * 1024

test('1 GiB of records is written, read, compacted and synced in a quarter of that memory', async () => {
  const peaks = await syncLargerThanMemory(RECORDS)
  // oxlint-disable-next-line no-console -- the figures are what it is for
  console.log(peaks)
  for (const peak of Object.values(peaks)) expect(peak).toBeLessThan(MOST_BYTES)
})
