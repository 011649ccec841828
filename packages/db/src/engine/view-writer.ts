import type { View } from '../view/view.ts'
import type { ViewMark, ViewPosition } from '../view/encoding.ts'
import { type Cell, cellToViewChange, type MemoryTable } from './memory-table.ts'

const VIEW_BATCH_CELLS = 1_000
/** A batch is copied more than once on its way, into memory that outlives it. */
const VIEW_BATCH_BYTES = 2 * 1024 * 1024
/** So long single writes gather. */
const REST_MS = 20

export interface ViewWriterParts {
  readonly view: View
  readonly table: MemoryTable
  /** Up to where the durable cells of the table lead. */
  readonly mark: () => ViewMark
  /** The table got smaller. */
  readonly onTaken: () => void
  /** The view cannot be written: nothing more is, until `restart`. */
  readonly onFailed: (error: unknown) => void
}

/**
 * Brings what is durable from the memory table into the view, in the background, and says with a mark how far it got. It works
 * in passes; between them it lets writes gather, since many in one batch cost little more than one.
 */
export class ViewWriter {
  readonly #parts: ViewWriterParts
  #running: Promise<void> | undefined
  /** One pass, with the rest before it. */
  #step: Promise<void> | undefined
  #passes = 0
  #isWanted = false
  #isHalted = false
  #endRest: (() => void) | undefined

  constructor(parts: ViewWriterParts) {
    this.#parts = parts
  }

  /** Is nothing written until `restart`? */
  get isHalted(): boolean {
    return this.#isHalted
  }

  /** Something became durable. */
  wake(): void {
    this.#isWanted = true
    if (this.#parts.table.count >= VIEW_BATCH_CELLS) this.#endRest?.()
    if (this.#isHalted || this.#running !== undefined) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      if (this.#isWanted) this.wake()
    })
  }

  /** Resolves when the view holds everything that is durable now. @throws why it cannot */
  async complete(): Promise<void> {
    this.wake()
    // A pass that begins after this call takes it all; the one under way may have begun before.
    const enough = this.#passes + 1
    while (this.#passes < enough && this.#running !== undefined) {
      this.#endRest?.()
      await this.#step
    }
    // It has begun, which is not to say that it has ended.
    if (this.#running !== undefined) await this.#step
  }

  /** Writes no more, until `restart`; resolves when nothing is being written. */
  async halt(): Promise<void> {
    this.#isHalted = true
    this.#endRest?.()
    await this.#running
  }

  restart(): void {
    this.#isHalted = false
    this.wake()
  }

  async #run(): Promise<void> {
    try {
      while (this.#isWanted && !this.#isHalted) {
        this.#step = this.#restAndWrite()
        await this.#step
      }
    } catch (error) {
      this.#isHalted = true
      this.#parts.onFailed(error)
    }
  }

  async #restAndWrite(): Promise<void> {
    if (this.#parts.table.count < VIEW_BATCH_CELLS) await this.#rest()
    if (this.#isHalted) return
    this.#isWanted = false
    this.#passes++
    await this.#writePass()
  }

  #rest(): Promise<void> {
    return new Promise(resolve => {
      const timer = setTimeout(() => this.#endRest?.(), REST_MS)
      this.#endRest = () => {
        clearTimeout(timer)
        this.#endRest = undefined
        resolve()
      }
    })
  }

  async #writePass(): Promise<void> {
    const { view, table } = this.#parts
    // Taken in one turn: these cells complete the view up to this mark.
    const mark = this.#parts.mark()
    const cells = table.durableCells()
    const from = view.mark
    if (cells.length === 0 && from !== undefined && isSameMark(from, mark)) return
    const underWay = from && { ...from, next: { main: mark.main, sequence: mark.sequence } }
    let start = 0
    do {
      const end = batchEnd(cells, start)
      const batch = cells.slice(start, end)
      await view.apply(batch.map(cellToViewChange), end === cells.length ? mark : underWay)
      table.taken(batch)
      this.#parts.onTaken()
      start = end
    } while (start < cells.length)
  }
}

/** Up to where cells go into one batch: one at least, if there is one. */
function batchEnd(cells: readonly Cell[], start: number): number {
  const most = Math.min(start + VIEW_BATCH_CELLS, cells.length)
  let bytes = 0
  let end = start
  while (end < most && (end === start || bytes < VIEW_BATCH_BYTES)) bytes += cells[end++]!.content?.bytes.length ?? 0
  return end
}

function isSameMark(a: ViewMark, b: ViewMark): boolean {
  return a.next === undefined && a.sealed === b.sealed && isSamePosition(a, b)
}

function isSamePosition(a: ViewPosition, b: ViewPosition): boolean {
  return a.main === b.main && a.sequence === b.sequence
}
