import { expect, it } from 'vitest'
import { MemoryTable } from '../src/engine/memory-table.ts'
import { ViewWriter } from '../src/engine/view-writer.ts'
import type { View } from '../src/view/view.ts'
import { putOf } from './entries.ts'

/** More than wait for their neighbours. */
const MANY = 2_500

it('is complete when it holds what was durable when it was asked, also while it is busy with what came before', async () => {
  const table = new MemoryTable()
  let held = 0
  const view = {
    mark: undefined,
    apply: async (changes: readonly unknown[]) => {
      await new Promise(resolve => setImmediate(resolve))
      held += changes.length
    },
  } as unknown as View
  const mark = { main: undefined, sealed: 0, sequence: 0 }
  const onFailed = (error: unknown): void => expect.unreachable(String(error))
  const writer = new ViewWriter({ view, table, mark: () => mark, onTaken: () => undefined, onFailed })
  for (let round = 1; round <= 3; round++) {
    for (let i = 0; i < MANY; i++) {
      const change = putOf(`record-${round}-${i}`, i)
      table.set(change, change.content, true)
    }
    writer.wake()
    if (round < 3) await new Promise(resolve => setImmediate(resolve))
  }
  await writer.complete()
  expect(held).toBe(3 * MANY)
  await writer.halt()
})
