import { expect, it } from 'vitest'
import { MemoryTable } from '../src/engine/memory-table.ts'
import { ViewWriter } from '../src/engine/view-writer.ts'
import type { View, ViewChange } from '../src/view/view.ts'
import { putOf } from './entries.ts'

/** More than wait for their neighbours. */
const MANY = 2_500

const someMark = { main: undefined, sealed: 0, sequence: 0 }

function writerInto(table: MemoryTable, apply: (changes: readonly ViewChange[]) => Promise<void>): ViewWriter {
  const view = { mark: undefined, apply } as unknown as View
  const onFailed = (error: unknown): void => expect.unreachable(String(error))
  return new ViewWriter({ view, table, mark: () => someMark, onTaken: () => undefined, onFailed })
}

it('is complete when it holds what was durable when it was asked, also while it is busy with what came before', async () => {
  const table = new MemoryTable()
  let held = 0
  const writer = writerInto(table, async changes => {
    await new Promise(resolve => setImmediate(resolve))
    held += changes.length
  })
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

it('takes large records a few at a time, each once', async () => {
  const table = new MemoryTable()
  const batches: number[][] = []
  const writer = writerInto(table, async changes => {
    batches.push(changes.map(({ content }) => content?.bytes.length ?? 0))
  })
  const sizes = [
    ...Array.from({ length: 40 }, () => 200_000),
    3_000_000,
    ...Array.from({ length: 40 }, () => 10),
    3_000_000,
  ]
  for (const [i, size] of sizes.entries()) {
    const change = putOf(`record-${i}`, 'x'.repeat(size - 2))
    table.set(change, change.content, true)
  }
  await writer.complete()
  expect(batches.flat()).toEqual(sizes)
  const bytes = batches.map(batch => batch.reduce((sum, size) => sum + size, 0))
  expect(Math.max(...bytes)).toBeLessThan(2 * 1024 * 1024 + 3_000_000)
  expect(batches).toHaveLength(5)
  await writer.halt()
})
