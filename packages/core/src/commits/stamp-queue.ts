import type { Stamp } from './stamp.ts'
import { compareStamp } from './stamp.ts'

/** A binary heap that gives the element with the greatest stamp first: walks go down the history with it. */
export class StampQueue<Element extends { readonly stamp: Stamp }> {
  readonly #heap: Element[]

  constructor(heap: readonly Element[] = []) {
    this.#heap = []
    for (const element of heap) this.push(element)
  }

  get size(): number {
    return this.#heap.length
  }

  /** What is queued, in no particular order. */
  values(): readonly Element[] {
    return this.#heap
  }

  push(element: Element): void {
    const heap = this.#heap
    let at = heap.length
    heap.push(element)
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = heap[above]!
      if (compareStamp(parent.stamp, element.stamp) >= 0) break
      heap[at] = parent
      at = above
    }
    heap[at] = element
  }

  pop(): Element | undefined {
    const heap = this.#heap
    const top = heap[0]
    const last = heap.pop()
    if (last === undefined || heap.length === 0) return top
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= heap.length) break
      if (below + 1 < heap.length && compareStamp(heap[below + 1]!.stamp, heap[below]!.stamp) > 0) below++
      if (compareStamp(heap[below]!.stamp, last.stamp) <= 0) break
      heap[at] = heap[below]!
      at = below
    }
    heap[at] = last
    return top
  }
}
