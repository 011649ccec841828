import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Cell, MemoryTable } from '../src/engine/memory-table.ts'
import { deleteOf, putOf } from './entries.ts'

/** Groups of writes are confirmed or abandoned in order, while the view takes what is durable: as in a running node. */
type Step =
  | { readonly type: 'write'; readonly id: string; readonly value: number | undefined }
  | { readonly type: 'confirm' | 'abandon' | 'beginFlush' | 'endFlush' }
  | { readonly type: 'adopt'; readonly id: string; readonly value: number | undefined }

const id = fc.constantFrom('a', 'b', 'c')
const value = fc.option(fc.nat(99), { nil: undefined })
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 5, arbitrary: fc.record({ type: fc.constant('write' as const), id, value }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('adopt' as const), id, value }) },
  {
    weight: 6,
    arbitrary: fc.record({
      type: fc.constantFrom(
        'confirm' as const,
        'confirm' as const,
        'abandon' as const,
        'beginFlush' as const,
        'endFlush' as const,
      ),
    }),
  },
)

test('the table and the view together say what was written last, and what was durable last when that fails', () => {
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), steps => {
      const table = new MemoryTable()
      const view = new Map<string, unknown>()
      const durable = new Map<string, unknown>()
      const newest = new Map<string, unknown>()
      let tentative: { cell: Cell; value: number | undefined }[] = []
      let flushing: Cell[] | undefined
      const endFlush = (): void => {
        if (flushing === undefined) return
        for (const cell of flushing) put(view, cell.id, decode(cell))
        table.taken(flushing)
        flushing = undefined
      }
      for (const each of steps) {
        if (each.type === 'write') {
          const change = each.value === undefined ? deleteOf(each.id) : putOf(each.id, each.value)
          tentative.push({ cell: table.set(change, change.content, false), value: each.value })
          put(newest, each.id, each.value)
        } else if (each.type === 'adopt') {
          // Writers are kept out while something is adopted.
          if (tentative.length > 0) continue
          const change = each.value === undefined ? deleteOf(each.id) : putOf(each.id, each.value)
          table.set(change, change.content, true)
          put(newest, each.id, each.value)
          put(durable, each.id, each.value)
        } else if (each.type === 'confirm') {
          const first = tentative.shift()
          if (first === undefined) continue
          table.confirm([first.cell])
          put(durable, first.cell.id, first.value)
        } else if (each.type === 'abandon') {
          table.rollBack()
          tentative = []
          newest.clear()
          for (const [key, stored] of durable) newest.set(key, stored)
        } else if (each.type === 'beginFlush') flushing ??= table.durableCells()
        else endFlush()
        expect(seen(table, view)).toEqual(Object.fromEntries(newest))
      }
      table.rollBack()
      endFlush()
      flushing = table.durableCells()
      endFlush()
      expect(Object.fromEntries(view)).toEqual(Object.fromEntries(durable))
      expect([table.count, table.sizeBytes]).toEqual([0, 0])
    }),
    { numRuns: 2_000 },
  )
})

function seen(table: MemoryTable, view: ReadonlyMap<string, unknown>): Record<string, unknown> {
  const found = new Map(view)
  for (const key of ['a', 'b', 'c']) {
    const cell = table.get(deleteOf(key))
    if (cell !== undefined) put(found, key, decode(cell))
  }
  return Object.fromEntries(found)
}

function decode({ content }: Cell): unknown {
  return content && JSON.parse(Buffer.from(content.bytes).toString())
}

function put(records: Map<string, unknown>, key: string, stored: unknown): void {
  if (stored === undefined) records.delete(key)
  else records.set(key, stored)
}
