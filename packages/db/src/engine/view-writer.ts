import type { View } from '../view/view.ts'
import type { ViewMark, ViewPosition } from '../view/encoding.ts'
import { cellToViewChange, type MemoryTable } from './memory-table.ts'

const VIEW_BATCH_CELLS = 2_000

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

/** Brings what is durable from the memory table into the view, in the background, and says with a mark how far it got. */
export class ViewWriter {
  readonly #parts: ViewWriterParts
  /** A pass takes what was durable at its beginning. */
  #pass: Promise<boolean> | undefined
  #running: Promise<void> | undefined
  #isHalted = false

  constructor(parts: ViewWriterParts) {
    this.#parts = parts
  }

  /** Is nothing written until `restart`? */
  get isHalted(): boolean {
    return this.#isHalted
  }

  /** Something became durable. */
  wake(): void {
    if (this.#isHalted || this.#running !== undefined) return
    this.#running = this.#run().finally(() => {
      this.#running = undefined
      this.#pass = undefined
    })
  }

  /** Resolves when the view holds everything that is durable now. @throws why it cannot */
  async complete(): Promise<void> {
    this.wake()
    // The first pass may have begun before.
    for (let passes = 0; passes < 2 && this.#pass !== undefined; passes++) await this.#pass
  }

  /** Writes no more, until `restart`; resolves when nothing is being written. */
  async halt(): Promise<void> {
    this.#isHalted = true
    await this.#running
  }

  restart(): void {
    this.#isHalted = false
    this.wake()
  }

  async #run(): Promise<void> {
    try {
      do this.#pass = this.#writePass()
      while (!this.#isHalted && (await this.#pass))
    } catch (error) {
      this.#isHalted = true
      this.#parts.onFailed(error)
    }
  }

  /** Returns whether there was something to write. */
  async #writePass(): Promise<boolean> {
    const { view, table } = this.#parts
    // Taken in one turn: these cells complete the view up to this mark.
    const mark = this.#parts.mark()
    const cells = table.durableCells()
    const from = view.mark
    if (cells.length === 0 && from !== undefined && isSameMark(from, mark)) return false
    const underWay = from && { ...from, next: { main: mark.main, sequence: mark.sequence } }
    for (let start = 0; start === 0 || start < cells.length; start += VIEW_BATCH_CELLS) {
      const batch = cells.slice(start, start + VIEW_BATCH_CELLS)
      const isLast = start + VIEW_BATCH_CELLS >= cells.length
      await view.apply(batch.map(cellToViewChange), isLast ? mark : underWay)
      table.taken(batch)
      this.#parts.onTaken()
    }
    return true
  }
}

function isSameMark(a: ViewMark, b: ViewMark): boolean {
  return a.next === undefined && a.sealed === b.sealed && isSamePosition(a, b)
}

function isSamePosition(a: ViewPosition, b: ViewPosition): boolean {
  return a.main === b.main && a.sequence === b.sequence
}
