import { expect, test } from 'vitest'
import { open } from '../src/index.ts'

/** Reads are answered from memory; whoever keeps asking must not keep everybody else from their turn. */
test('the loop turns while many readers go on without a pause', async () => {
  const db = await open('unused', { storage: 'memory' })
  const farms = db.object<number>('farms')
  await farms.put('north', 1)
  let turns = 0
  let isReading = true
  const count = (): void => {
    turns++
    if (isReading) setImmediate(count)
  }
  setImmediate(count)
  const startedMs = performance.now()
  const reader = async (): Promise<void> => {
    while (performance.now() - startedMs < 300) expect(await farms.get('north')).toBe(1)
  }
  await Promise.all(Array.from({ length: 50 }, reader))
  isReading = false
  // One in 10 ms and what a read takes; without giving way there would be none.
  expect(turns).toBeGreaterThan(5)
  await db.close()
})
