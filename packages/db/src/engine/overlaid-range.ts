import { compareUtf8 } from '@atolldb/core'
import type { ViewContent } from '../view/encoding.ts'
import type { ViewRange } from '../view/view.ts'
import type { Cell } from './memory-table.ts'

/** A range of the view with the memory table's changes of that collection on top: both of the moment of the call. */
export function overlaidRange(
  stored: AsyncIterable<[string, ViewContent]>,
  cells: Iterable<Cell>,
  range: ViewRange,
): AsyncIterable<[string, ViewContent]> {
  const overlay: Cell[] = []
  for (const cell of cells) if (inRange(cell.id, range)) overlay.push(cell)
  return overlay.length === 0 ? stored : overlaid(stored, overlay, range.reverse ?? false)
}

export function inRange(id: string, range: ViewRange): boolean {
  return (
    (range.gt === undefined || compareUtf8(id, range.gt) > 0) &&
    (range.gte === undefined || compareUtf8(id, range.gte) >= 0) &&
    (range.lt === undefined || compareUtf8(id, range.lt) < 0) &&
    (range.lte === undefined || compareUtf8(id, range.lte) <= 0)
  )
}

/** Merges the newest changes into what the view says, both in the same direction. */
async function* overlaid(
  stored: AsyncIterable<[string, ViewContent]>,
  cells: Cell[],
  reverse: boolean,
): AsyncGenerator<[string, ViewContent]> {
  const direction = reverse ? -1 : 1
  cells.sort((a, b) => direction * compareUtf8(a.id, b.id))
  // A cell is as it was at the call: it is replaced, never changed.
  let next = 0
  for await (const entry of stored) {
    let cell = cells[next]
    while (cell !== undefined && direction * compareUtf8(cell.id, entry[0]) < 0) {
      if (cell.content !== undefined) yield [cell.id, cell.content]
      cell = cells[++next]
    }
    if (cell !== undefined && cell.id === entry[0]) {
      if (cell.content !== undefined) yield [cell.id, cell.content]
      next++
    } else yield entry
  }
  for (const cell of cells.slice(next)) if (cell.content !== undefined) yield [cell.id, cell.content]
}
