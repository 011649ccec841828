interface Event {
  readonly atMs: number
  readonly number: number
  readonly action: () => void
  isUndone: boolean
}

/**
 * Virtual time. Events happen in the order of their times, equal ones in the order in which they were planned, and whatever
 * an event sets going runs as far as it can before the next one: so one seed has one course of events.
 *
 * What runs on it may wait for nothing but the timeline: no real timer, no file, no socket.
 */
export class Timeline {
  #nowMs = 0
  #planned = 0
  /** A binary heap, the earliest first. */
  readonly #events: Event[] = []

  get nowMs(): number {
    return this.#nowMs
  }

  /** Returns the undo. */
  after(delayMs: number, action: () => void): () => void {
    const event = { atMs: this.#nowMs + Math.max(0, delayMs), number: this.#planned++, action, isUndone: false }
    this.#push(event)
    return () => (event.isUndone = true)
  }

  /** Goes on until the moment, or until `isOver` says after an event that it is enough. */
  async run(untilMs: number, isOver: () => boolean = () => false): Promise<void> {
    await settled()
    while (!isOver()) {
      const next = this.#events[0]
      if (next === undefined || next.atMs > untilMs) {
        this.#nowMs = Math.max(this.#nowMs, untilMs)
        return
      }
      this.#pop()
      if (next.isUndone) continue
      this.#nowMs = next.atMs
      next.action()
      await settled()
    }
  }

  #push(event: Event): void {
    const events = this.#events
    let at = events.push(event) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      if (isBefore(events[above]!, event)) break
      events[at] = events[above]!
      at = above
    }
    events[at] = event
  }

  #pop(): void {
    const events = this.#events
    const last = events.pop()!
    if (events.length === 0) return
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      if (below >= events.length) break
      if (below + 1 < events.length && isBefore(events[below + 1]!, events[below]!)) below++
      if (isBefore(last, events[below]!)) break
      events[at] = events[below]!
      at = below
    }
    events[at] = last
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.atMs < b.atMs || (a.atMs === b.atMs && a.number < b.number)
}

/** Resolves once every promise that can be settled without the timeline is. */
function settled(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve)
  })
}
