import type { CollectionKind, CollectionName, RecordRef } from '@atolldb/core'
import type { ViewChange } from '../view/view.ts'
import type { ViewContent } from '../view/encoding.ts'

/** One record's newest change; `content` undefined is a delete. */
export interface Cell extends RecordRef {
  readonly content: ViewContent | undefined
  durable: boolean
  /** The durable change that this one hides, until this one is durable itself. */
  previous: Cell | undefined
}

type CollectionCells = Map<string, Cell>
const noCells: ReadonlyMap<string, Cell> = new Map()

/**
 * Recent changes in memory, in front of the view: visible from the moment they are journaled, kept until the view has them.
 * A change is first tentative, then durable; when an append fails, all tentative changes are taken back together.
 */
export class MemoryTable {
  readonly #cellsByCollection = {
    objects: new Map<CollectionName, CollectionCells>(),
    lists: new Map<CollectionName, CollectionCells>(),
  }
  readonly #tentative = new Set<Cell>()
  #sizeBytes = 0
  #count = 0

  /** Rough memory in use. */
  get sizeBytes(): number {
    return this.#sizeBytes
  }

  get count(): number {
    return this.#count
  }

  /** The newest change of a record, or undefined when the view knows best. */
  get(ref: RecordRef): Cell | undefined {
    return this.#cellsByCollection[ref.kind].get(ref.collection)?.get(ref.id)
  }

  /** The newest changes of a collection by id; do not keep it over an await. */
  collection(kind: CollectionKind, collection: CollectionName): ReadonlyMap<string, Cell> {
    return this.#cellsByCollection[kind].get(collection) ?? noCells
  }

  set(ref: RecordRef, content: ViewContent | undefined, durable: boolean): Cell {
    const cellsByCollection = this.#cellsByCollection[ref.kind]
    let cells = cellsByCollection.get(ref.collection)
    if (cells === undefined) cellsByCollection.set(ref.collection, (cells = new Map()))
    const hidden = cells.get(ref.id)
    const previous = durable ? undefined : hidden?.durable === false ? hidden.previous : hidden
    const cell: Cell = { kind: ref.kind, collection: ref.collection, id: ref.id, content, durable, previous }
    cells.set(ref.id, cell)
    if (!durable) this.#tentative.add(cell)
    this.#count += hidden === undefined ? 1 : 0
    this.#sizeBytes += cellSize(cell) - (hidden === undefined ? 0 : cellSize(hidden))
    return cell
  }

  /** A durable change that the view turned out not to have, unless a later durable one is here. */
  restore(ref: RecordRef, content: ViewContent | undefined): void {
    const newest = this.get(ref)
    if (newest === undefined) this.set(ref, content, true)
    else if (!newest.durable && newest.previous === undefined)
      newest.previous = { ...newest, content, durable: true, previous: undefined }
  }

  confirm(cells: readonly Cell[]): void {
    for (const cell of cells) {
      cell.durable = true
      cell.previous = undefined
      this.#tentative.delete(cell)
      const newest = this.get(cell)
      // A later tentative change of the record now hides this one.
      if (newest !== undefined && newest !== cell && !newest.durable) newest.previous = cell
    }
  }

  /** Takes back whatever is not durable. */
  rollBack(): void {
    for (const cell of this.#tentative) {
      const cells = this.#cellsByCollection[cell.kind].get(cell.collection)
      if (cells?.get(cell.id) !== cell) continue
      this.#sizeBytes -= cellSize(cell)
      if (cell.previous === undefined) {
        cells.delete(cell.id)
        this.#count--
      } else {
        cells.set(cell.id, cell.previous)
        this.#sizeBytes += cellSize(cell.previous)
      }
    }
    this.#tentative.clear()
  }

  /** All durable changes, for the view to take; hand them to `taken` once it has them. */
  durableCells(): Cell[] {
    const found: Cell[] = []
    for (const cellsByCollection of Object.values(this.#cellsByCollection))
      for (const cells of cellsByCollection.values())
        for (const cell of cells.values()) {
          const durable = cell.durable ? cell : cell.previous
          if (durable !== undefined) found.push(durable)
        }
    return found
  }

  taken(flushed: readonly Cell[]): void {
    for (const cell of flushed) {
      const cellsByCollection = this.#cellsByCollection[cell.kind]
      const cells = cellsByCollection.get(cell.collection)
      const newest = cells?.get(cell.id)
      if (newest?.previous === cell) newest.previous = undefined
      if (cells === undefined || newest !== cell) continue
      cells.delete(cell.id)
      this.#count--
      this.#sizeBytes -= cellSize(cell)
      if (cells.size === 0) cellsByCollection.delete(cell.collection)
    }
  }
}

export function cellToViewChange(cell: Cell): ViewChange {
  return { kind: cell.kind, collection: cell.collection, id: cell.id, content: cell.content }
}

function cellSize(cell: Cell): number {
  return 200 + cell.id.length + (cell.content?.bytes.length ?? 0)
}
