import {
  AtollError,
  compareUtf8,
  type CollectionKind,
  type CollectionName,
  type CommitId,
  type HybridClock,
  isAtollError,
  type RecordRef,
} from '@atolldb/core'
import type { Journal } from '../journal/journal.ts'
import type { JournalChange, JournalEntry } from '../journal/frame.ts'
import type { ViewContent } from '../view/encoding.ts'
import type { View, ViewChange, ViewMark, ViewRange } from '../view/view.ts'
import { type Cell, cellToViewChange, MemoryTable } from './memory-table.ts'

/** Changes that may wait for the view or for a commit before writers have to wait too. */
const MAX_WAITING_BYTES = 64 * 1024 * 1024
const VIEW_BATCH_CELLS = 2_000

/** What happened to records, told after it is durable. */
export interface StoreEvent {
  readonly origin: 'local' | 'remote'
  readonly changes: readonly (RecordRef & { readonly content: ViewContent | undefined })[]
}

export interface RecordStoreParts {
  readonly journal: Journal
  readonly view: View
  readonly clock: HybridClock
  /** The `main` that a writer of this moment sees. */
  readonly currentMain: () => CommitId | undefined
  /** A write became durable and waits to be sealed. */
  readonly onPending: () => void
  /** The view is damaged: resolves once it has been made anew. */
  readonly repairView: (error: unknown) => Promise<void>
}

/**
 * Reads and writes of one node: the memory table in front of the view, every write journaled before it is acknowledged.
 * Reads never wait. Preconditions are checked and their write is taken within one turn of the loop, so they are atomic.
 */
export class RecordStore {
  readonly #parts: RecordStoreParts
  readonly #table = new MemoryTable()
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  readonly #waiting: JournalEntry[] = []
  #waitingBytes = 0
  #waitingChanges = 0
  #inFlight = 0
  #gate: Promise<void> | undefined
  #room: { promise: Promise<void>; open: () => void } | undefined
  #mark: ViewMark
  #flushing: Promise<void> | undefined
  #stopped = false
  #closed = false

  constructor(parts: RecordStoreParts, mark: ViewMark) {
    this.#parts = parts
    this.#mark = mark
  }

  // --- Reading -------------------------------------------------------------------------------------------------------

  read(ref: RecordRef): ViewContent | undefined {
    this.#assertOpen()
    const cell = this.#table.get(ref)
    return cell === undefined ? this.#parts.view.get(ref) : cell.content
  }

  /** False when the collection has no records for sure: cheaper than a read. */
  mayHaveRecords(kind: CollectionKind, collection: CollectionName): boolean {
    return this.#table.collection(kind, collection).size > 0 || this.#parts.view.count(kind, collection) > 0
  }

  /** The records of a range as they are now, ids in byte order. */
  range(kind: CollectionKind, collection: CollectionName, range: ViewRange): AsyncIterable<[string, ViewContent]> {
    this.#assertOpen()
    const overlay = [...this.#table.collection(kind, collection).values()].filter(cell => inRange(cell.id, range))
    const stored = this.#parts.view.range(kind, collection, range)
    return overlay.length === 0 ? stored : overlaid(stored, overlay, range.reverse ?? false)
  }

  async count(kind: CollectionKind, collection: CollectionName): Promise<number> {
    this.#assertOpen()
    await this.viewComplete()
    return this.#parts.view.count(kind, collection)
  }

  /** Collections with records, the reserved ones too. */
  async collections(): Promise<{ kind: CollectionKind; collection: CollectionName; records: number }[]> {
    await this.viewComplete()
    return this.#parts.view.collections()
  }

  // --- Writing -------------------------------------------------------------------------------------------------------

  /**
   * Runs `work` in one turn of the loop, journals the changes it returns as one indivisible entry, and resolves with its
   * result once they are durable.
   */
  async write<Result>(
    work: () => { readonly changes: readonly JournalChange[]; readonly result: Result },
    signal?: AbortSignal,
  ): Promise<Result> {
    let isRetry = false
    for (;;) {
      while (this.#gate !== undefined || this.#isFull()) await (this.#gate ?? this.#roomPromise())
      this.#assertOpen()
      if (signal?.aborted === true) throw new AtollError('ABORTED', 'the write was aborted', { what: 'write' })
      try {
        const { changes, result } = work()
        // No await before the changes are in the table and the journal: that makes it one turn.
        if (changes.length > 0) await this.#journal(changes)
        return result
      } catch (error) {
        if (isRetry || !isAtollError(error, 'CORRUPT')) throw error
        await this.#parts.repairView(error)
        isRetry = true
      }
    }
  }

  /** A read that survives a damaged view: it waits until that has been made anew, and reads again. */
  async readSafely<Result>(read: () => Result): Promise<Result> {
    try {
      return read()
    } catch (error) {
      if (!isAtollError(error, 'CORRUPT')) throw error
      await this.#parts.repairView(error)
      return read()
    }
  }

  async #journal(changes: readonly JournalChange[]): Promise<void> {
    const { journal, clock, currentMain } = this.#parts
    if (journal.failure !== undefined) throw journal.failure
    const main = currentMain()
    const stamp = clock.tick()
    const cells = changes.map(change => this.#table.set(change, change.content, false))
    this.#inFlight++
    const durable = journal.append(main, stamp, changes)
    const sequence = journal.lastSequence
    try {
      await durable
    } finally {
      this.#inFlight--
    }
    this.#table.confirm(cells)
    this.#enqueue({ sequence, main, clock: stamp, changes })
    this.#tell({ origin: 'local', changes })
  }

  /** Entries that a crash left in the journal: in the table as if they had just been written. */
  replay(entries: readonly JournalEntry[]): void {
    for (const entry of entries) {
      for (const change of entry.changes) this.#table.set(change, change.content, true)
      this.#enqueue(entry)
    }
  }

  /** An append failed: what it would have made durable never happened. */
  rollBack(): void {
    this.#table.rollBack()
  }

  #enqueue(entry: JournalEntry): void {
    this.#waiting.push(entry)
    this.#waitingChanges += entry.changes.length
    this.#waitingBytes += entrySize(entry)
    this.#mark = { main: this.#mark.main, sequence: entry.sequence }
    this.#startFlush()
    this.#parts.onPending()
  }

  // --- For the sealer ------------------------------------------------------------------------------------------------

  /** Durable changes that are in no commit yet. */
  get pendingChanges(): number {
    return this.#waitingChanges
  }

  get pendingBytes(): number {
    return this.#waitingBytes
  }

  /** The oldest entries that no commit holds, within limits (at least one), all made on the same `main`. */
  oldestPending(maxChanges: number, maxBytes: number): JournalEntry[] {
    const taken: JournalEntry[] = []
    let changes = 0
    let bytes = 0
    for (const entry of this.#waiting) {
      changes += entry.changes.length
      bytes += entrySize(entry)
      if (taken.length > 0 && (changes > maxChanges || bytes > maxBytes || entry.main !== taken[0]?.main)) break
      taken.push(entry)
    }
    return taken
  }

  /** Those entries are in the commit that is `main` now (or changed nothing, and it is what it was). */
  sealed(entries: readonly JournalEntry[], main: CommitId): void {
    this.#waiting.splice(0, entries.length)
    for (const entry of entries) {
      this.#waitingChanges -= entry.changes.length
      this.#waitingBytes -= entrySize(entry)
    }
    this.#mark = { main, sequence: this.#mark.sequence }
    this.#startFlush()
    this.#makeRoom()
  }

  // --- For adoption --------------------------------------------------------------------------------------------------

  /**
   * Keeps new writers waiting and lets those under way finish, runs `work`, then lets writers on: what is made without
   * seeing an adopted commit is journaled, and can be sealed, before the commit is adopted.
   */
  async withoutWriters<Result>(work: () => Promise<Result>): Promise<Result> {
    let open = (): void => undefined
    this.#gate = new Promise(resolve => (open = resolve))
    try {
      await this.#parts.journal.idle()
      // The continuations of the writers just acknowledged run before ours goes on.
      while (this.#inFlight > 0) await new Promise(resolve => setImmediate(resolve))
      return await work()
    } finally {
      this.#gate = undefined
      open()
    }
  }

  /** Makes adopted changes visible, all at once; they are durable in the repository already. */
  adopt(changes: StoreEvent['changes'], main: CommitId): void {
    for (const change of changes) this.#table.set(change, change.content, true)
    this.#mark = { main, sequence: this.#mark.sequence }
    this.#startFlush()
    if (changes.length > 0) this.#tell({ origin: 'remote', changes })
  }

  // --- The view's background writer ----------------------------------------------------------------------------------

  #startFlush(): void {
    if (this.#flushing !== undefined || this.#closed) return
    this.#flushing = this.#flush().finally(() => {
      this.#flushing = undefined
    })
  }

  async #flush(): Promise<void> {
    const { view } = this.#parts
    try {
      for (;;) {
        // Taken in one turn: these cells complete the view up to this mark.
        const mark = this.#mark
        const cells = this.#table.durableCells()
        if (cells.length === 0 && isSameMark(view.mark, mark)) return
        for (let start = 0; start === 0 || start < cells.length; start += VIEW_BATCH_CELLS) {
          const batch = cells.slice(start, start + VIEW_BATCH_CELLS)
          const isLast = start + VIEW_BATCH_CELLS >= cells.length
          // Between two marks the older one stands: what follows it is replayed after a crash.
          await view.apply(batch.map(cellToViewChange), isLast ? mark : view.mark)
          this.#table.taken(batch)
          this.#makeRoom()
        }
      }
    } catch (error) {
      // Not awaited: the repair waits for this flush to end.
      void this.#parts.repairView(error)
    }
  }

  /**
   * Makes the view anew from the records of `main` and what is pending upon it. `main` must not move meanwhile; reads and
   * writes that need the view wait.
   */
  async rebuildView(main: CommitId | undefined, records: AsyncIterable<readonly ViewChange[]>): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
    const { view } = this.#parts
    const rebuilding = (async () => {
      await view.clear()
      for await (const batch of records) await view.apply(batch, undefined)
      await view.apply([], { main, sequence: 0 })
    })()
    this.#flushing = rebuilding.finally(() => {
      this.#flushing = undefined
    })
    await this.#flushing
    // The newest first, and only what the table does not know: it may hold something newer still.
    for (const entry of this.#waiting.toReversed())
      for (const change of entry.changes.toReversed())
        if (this.#table.get(change) === undefined) this.#table.set(change, change.content, true)
    this.#startFlush()
  }

  /** Resolves when the view holds everything that is durable now. */
  async viewComplete(): Promise<void> {
    while (this.#flushing !== undefined) await this.#flushing
  }

  // --- Back-pressure and events --------------------------------------------------------------------------------------

  #isFull(): boolean {
    return (
      this.#waitingBytes > MAX_WAITING_BYTES ||
      this.#table.sizeBytes > MAX_WAITING_BYTES ||
      this.#parts.journal.congested === true
    )
  }

  #roomPromise(): Promise<void> {
    if (this.#parts.journal.congested === true) return this.#parts.journal.idle()
    if (this.#room === undefined) {
      let open = (): void => undefined
      const promise = new Promise<void>(resolve => (open = resolve))
      this.#room = { promise, open }
    }
    return this.#room.promise
  }

  #makeRoom(): void {
    if (this.#room === undefined || this.#isFull()) return
    this.#room.open()
    this.#room = undefined
  }

  /** Called after changes are durable, in the order they became visible. Returns the undo. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(event: StoreEvent): void {
    for (const listener of this.#listeners) listener(event)
  }

  #assertOpen(): void {
    if (this.#stopped) throw new AtollError('CLOSED', 'the database is closed', { what: 'database' })
  }

  /** Takes no more calls; resolves when writes under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    this.#room?.open()
    await this.withoutWriters(async () => undefined)
  }

  /** Resolves when the view has all that is durable. Call `stop` before. */
  async close(): Promise<void> {
    await this.viewComplete()
    this.#closed = true
  }
}

function isSameMark(a: ViewMark | undefined, b: ViewMark): boolean {
  return a !== undefined && a.main === b.main && a.sequence === b.sequence
}

function entrySize(entry: JournalEntry): number {
  let size = 0
  for (const change of entry.changes) size += 64 + change.id.length + (change.content?.bytes.length ?? 0)
  return size
}

function inRange(id: string, range: ViewRange): boolean {
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
