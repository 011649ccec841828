import {
  AtollError,
  type CollectionKind,
  type CollectionName,
  type CommitId,
  conflictCollection,
  type HybridClock,
  isAtollError,
  type RecordRef,
} from '@atolldb/core'
import type { CacheCounts, CacheLimit } from '../api/cache.ts'
import { RecordCache } from '../cache/record-cache.ts'
import type { Journal } from '../journal/journal.ts'
import type { JournalChange, JournalEntry } from '../journal/frame.ts'
import { type ViewContent, viewKey, type ViewMark } from '../view/encoding.ts'
import type { View, ViewRange } from '../view/view.ts'
import { entrySize, fittingEntries } from './fitting-entries.ts'
import { type Cell, MemoryTable } from './memory-table.ts'
import { CollectionRules } from '../rules/collection-rules.ts'
import type { Schemas } from '../rules/schemas.ts'
import { FairTurns } from '../scheduling/fair-turns.ts'
import { Mutex } from '../scheduling/mutex.ts'
import { overlaidRange } from './overlaid-range.ts'
import { Room } from './room.ts'
import { ViewWriter } from './view-writer.ts'

const REPAIR_RETRY_MS = 1_000
/** The first may have been under way already, and for less than was found out since. */
const MAX_REPAIRS = 2

/** What happened to records, told after it is durable. */
export interface StoreEvent {
  readonly origin: 'local' | 'remote'
  readonly changes: readonly (RecordRef & { readonly content: ViewContent | undefined })[]
}

export interface RecordStoreParts {
  readonly journal: Journal
  readonly view: View
  readonly cache: CacheLimit
  readonly schemas: Schemas
  readonly clock: HybridClock
  /** The `main` that a writer of this moment sees. */
  readonly currentMain: () => CommitId | undefined
  /** A write became durable and waits to be sealed. */
  readonly onPending: () => void
  /** The view cannot be read or written: calls `recoverView` while `main` stands still, and resolves once that is done. */
  readonly repairView: (error: unknown) => Promise<void>
  /** Why what is pending cannot become a commit now, if so. */
  readonly sealObstacle: () => Error | undefined
  /** A subscriber threw. */
  readonly onListenerFailed: (error: unknown) => void
}

/**
 * Reads and writes of one node: the memory table in front of the view, every write journaled before it is acknowledged.
 * Reads never wait. Preconditions are checked and their write is taken within one turn of the loop, so they are atomic.
 */
export class RecordStore {
  /** What the collections' settings demand, as of now. */
  readonly rules: CollectionRules
  readonly #parts: RecordStoreParts
  readonly #table = new MemoryTable()
  readonly #cache: RecordCache<ViewContent>
  readonly #writer: ViewWriter
  /** Names of the collections that hold conflict entries, so that no write has to put one together. */
  readonly #conflictNames = {
    objects: new Map<CollectionName, CollectionName>(),
    lists: new Map<CollectionName, CollectionName>(),
  }
  readonly #listeners = new Set<(event: StoreEvent) => void>()
  readonly #waiting: JournalEntry[] = []
  #waitingBytes = 0
  #waitingChanges = 0
  #inFlight = 0
  readonly #turns = new FairTurns()
  readonly #gates = new Mutex()
  #gate: Promise<void> | undefined
  readonly #room = new Room()
  #mark: ViewMark
  #repairing: Promise<void> | undefined
  #recoveries = 0
  #repairTimer: NodeJS.Timeout | undefined
  #repairFailure: Error | undefined
  #stopped = false

  /** The view must be recovered, and have that mark. */
  constructor(parts: RecordStoreParts, mark: ViewMark) {
    this.#parts = parts
    this.rules = new CollectionRules(this, parts.schemas)
    this.#cache = new RecordCache(parts.cache)
    this.#mark = mark
    this.#writer = new ViewWriter({
      view: parts.view,
      table: this.#table,
      mark: () => this.#mark,
      onTaken: () => this.#makeRoom(),
      onFailed: error => this.#repairInBackground(error),
    })
  }

  // --- Reading -------------------------------------------------------------------------------------------------------

  read(ref: RecordRef): ViewContent | undefined {
    this.#assertOpen()
    const cell = this.#table.get(ref)
    if (cell !== undefined) return cell.content
    const key = viewKey(ref)
    const cached = this.#cache.get(key)
    if (cached !== undefined) return cached
    const stored = this.#parts.view.get(key)
    if (stored !== undefined) this.#cache.set(key, stored, stored.bytes.length)
    return stored
  }

  cacheCounts(): CacheCounts {
    return this.#cache.counts()
  }

  /** A change goes to the table, and what the cache knew is old: it is asked again once the view has the change. */
  #change(ref: RecordRef, content: ViewContent | undefined, durable: boolean): Cell {
    if (!this.#cache.isEmpty) this.#cache.delete(viewKey(ref))
    return this.#table.set(ref, content, durable)
  }

  /** False when the collection has no records for sure: cheaper than a read. */
  mayHaveRecords(kind: CollectionKind, collection: CollectionName): boolean {
    return this.#table.collection(kind, collection).size > 0 || this.#parts.view.count(kind, collection) > 0
  }

  /** Where the conflict entry of a record lies, if it has one. Costs next to nothing in a collection without conflicts. */
  conflictEntry(ref: RecordRef): RecordRef | undefined {
    const names = this.#conflictNames[ref.kind]
    let collection = names.get(ref.collection)
    if (collection === undefined) names.set(ref.collection, (collection = conflictCollection(ref.kind, ref.collection)))
    if (!this.mayHaveRecords('objects', collection)) return undefined
    const entry: RecordRef = { kind: 'objects', collection, id: ref.id }
    return this.read(entry) === undefined ? undefined : entry
  }

  /**
   * The records of a range as they are now, ids in byte order. Where the view turns out damaged on the way, the range ends with
   * CORRUPT and the view is repaired: asked for again, it is whole.
   */
  range(kind: CollectionKind, collection: CollectionName, range: ViewRange): AsyncIterable<[string, ViewContent]> {
    this.#assertOpen()
    const cells = this.#table.collection(kind, collection).values()
    return this.#watched(overlaidRange(this.#parts.view.range(kind, collection, range), cells, range))
  }

  async *#watched<Item>(items: AsyncIterable<Item>): AsyncGenerator<Item> {
    const recoveries = this.#recoveries
    try {
      yield* items
    } catch (error) {
      // What a recovery cut short needs no other.
      if (isAtollError(error, 'CORRUPT') && recoveries === this.#recoveries) this.#repairInBackground(error)
      throw error
    }
  }

  async count(kind: CollectionKind, collection: CollectionName): Promise<number> {
    return this.#complete(() => this.#parts.view.count(kind, collection))
  }

  /** Collections with records, the reserved ones too. */
  async collections(): Promise<{ kind: CollectionKind; collection: CollectionName; records: number }[]> {
    return this.#complete(() => this.#parts.view.collections())
  }

  /** Reads the view once it has what is durable now. */
  async #complete<Result>(read: () => Result): Promise<Result> {
    this.#assertOpen()
    if (this.#writer.isHalted) await this.#repair()
    await this.#writer.complete()
    return this.readSafely(read)
  }

  /** A read that survives a damaged view: it waits until that has been made anew, and reads again. */
  async readSafely<Result>(read: () => Result): Promise<Result> {
    const turn = this.#turns.due()
    if (turn !== undefined) await turn
    for (let repairs = 0; ; repairs++) {
      try {
        return read()
      } catch (error) {
        if (repairs === MAX_REPAIRS || !isAtollError(error, 'CORRUPT')) throw error
        await this.#repair(error)
      }
    }
  }

  // --- Writing -------------------------------------------------------------------------------------------------------

  /**
   * Runs `work` in one turn of the loop, journals the changes it returns as one indivisible entry, and resolves with its
   * result once they, and whatever `work` saw, are durable.
   */
  async write<Result>(
    work: () => { readonly changes: readonly JournalChange[]; readonly result: Result },
    signal?: AbortSignal,
  ): Promise<Result> {
    for (let repairs = 0; ;) {
      const obstacle = this.#obstacle(signal)
      if (obstacle !== undefined) {
        await (signal === undefined ? obstacle : orAborted(obstacle, signal))
        continue
      }
      // No await from here until the changes are in the table and the journal: that makes it one turn.
      let written: { readonly changes: readonly JournalChange[]; readonly result: Result }
      try {
        written = work()
      } catch (error) {
        if (repairs++ === MAX_REPAIRS || !isAtollError(error, 'CORRUPT')) throw error
        await this.#repair(error)
        continue
      }
      if (written.changes.length > 0) return this.#journal(written.changes, written.result)
      await this.#parts.journal.settled()
      return written.result
    }
  }

  /**
   * What a write has to wait for; undefined when it may go on in this turn.
   * @throws CLOSED, ABORTED; where there is no room, and none is made: why
   */
  #obstacle(signal: AbortSignal | undefined): Promise<void> | undefined {
    this.#assertOpen()
    if (signal?.aborted === true) throw new AtollError('ABORTED', 'the write was aborted', { what: 'write' })
    if (this.#gate !== undefined) return this.#gate
    // For the group that is too large, and no more: in a stream of writers the journal is never idle.
    if (this.#parts.journal.congested) return this.#parts.journal.settled().catch(() => undefined)
    if (!this.isFull) return undefined
    const stuck = this.#stuckBy()
    if (stuck !== undefined) throw stuck
    return this.#room.wait()
  }

  /** Must writers wait, since too much is in front of a commit or of the view? */
  get isFull(): boolean {
    return this.#room.isFull(this.#waitingBytes, this.#table.sizeBytes)
  }

  /** Why there will be no room before somebody does something about it. */
  #stuckBy(): Error | undefined {
    return this.#parts.journal.failure ?? this.#parts.sealObstacle() ?? this.#repairFailure
  }

  /** Resolves when the changes are durable, in the turn in which they are confirmed. */
  #journal<Result>(changes: readonly JournalChange[], result: Result): Promise<Result> {
    const { journal, clock, currentMain } = this.#parts
    if (journal.failure !== undefined) throw journal.failure
    const main = currentMain()
    const stamp = clock.tick()
    return new Promise((resolve, reject) => {
      const sequence = journal.append(main, stamp, changes, {
        resolve: () => {
          this.#inFlight--
          this.#table.confirm(cells)
          this.#enqueue({ sequence, main, clock: stamp, changes })
          this.#tell({ origin: 'local', changes })
          resolve(result)
        },
        reject: error => {
          this.#inFlight--
          reject(error)
        },
      })
      this.#inFlight++
      const cells = changes.map(change => this.#change(change, change.content, false))
    })
  }

  /** Entries that a crash left in the journal: in the table as if they had just been written. */
  replay(entries: readonly JournalEntry[]): void {
    for (const entry of entries) {
      for (const change of entry.changes) this.#change(change, change.content, true)
      this.#enqueue(entry)
    }
  }

  /** An append failed, or an adoption: what it would have made durable never happened. */
  rollBack(): void {
    this.#table.rollBack()
    this.#makeRoom()
  }

  #enqueue(entry: JournalEntry): void {
    this.#waiting.push(entry)
    this.#waitingChanges += entry.changes.length
    this.#waitingBytes += entrySize(entry)
    this.#mark = { ...this.#mark, sequence: entry.sequence }
    this.#writer.wake()
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

  /** Entries that no commit holds with a sequence number beyond that one; in memory, the oldest first. */
  pendingEntries(after: number): JournalEntry[] {
    return this.#waiting.slice(this.#waiting.findLastIndex(({ sequence }) => sequence <= after) + 1)
  }

  /** Of the last durable entry. */
  get lastSequence(): number {
    return this.#mark.sequence
  }

  /** Of the last entry that a commit holds. */
  get sealedSequence(): number {
    return this.#mark.sealed
  }

  /** The oldest entries that no commit holds, within limits (at least one), all made on the same `main`. */
  oldestPending(maxChanges: number, maxBytes: number): JournalEntry[] {
    return fittingEntries(this.#waiting, maxChanges, maxBytes)
  }

  /** Those entries are in the commit that is `main` now (or changed nothing, and it is what it was). */
  sealed(entries: readonly JournalEntry[], main: CommitId): void {
    this.#waiting.splice(0, entries.length)
    for (const entry of entries) {
      this.#waitingChanges -= entry.changes.length
      this.#waitingBytes -= entrySize(entry)
    }
    this.#mark = { ...this.#mark, main, sealed: entries.at(-1)?.sequence ?? this.#mark.sealed }
    this.#writer.wake()
    this.#makeRoom()
  }

  // --- For adoption --------------------------------------------------------------------------------------------------

  /**
   * Keeps new writers waiting and lets those under way finish, runs `work`, then lets writers on: what is made without
   * seeing an adopted commit is journaled, and can be sealed, before the commit is adopted.
   */
  withoutWriters<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#gates.run(async () => {
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
    })
  }

  /**
   * Shows readers what is about to be adopted: counts, listeners and the view wait for `adopt`, and `rollBack` takes it back.
   * Call it within `withoutWriters`.
   */
  foresee(changes: StoreEvent['changes']): Cell[] {
    return changes.map(change => this.#change(change, change.content, false))
  }

  /**
   * Makes adopted changes visible, all at once, or durable as `foresee` showed them; in the repository they are durable
   * already.
   */
  adopt(changes: StoreEvent['changes'], main: CommitId, foreseen?: readonly Cell[]): void {
    if (foreseen !== undefined) this.#table.confirm(foreseen)
    else for (const change of changes) this.#change(change, change.content, true)
    this.#mark = { ...this.#mark, main }
    this.#writer.wake()
    if (changes.length > 0) this.#tell({ origin: 'remote', changes })
  }

  // --- Repair of the view --------------------------------------------------------------------------------------------

  /**
   * One at a time; whoever needs the view waits for the same one. One that failed is tried again and again, since what is in the way
   * may be a full disk, and writers may wait for the view with nobody left to ask for it. @throws why it cannot be done now
   */
  #repair(damage?: unknown): Promise<void> {
    this.#repairing ??= this.#parts
      .repairView(damage)
      .then(
        () => {
          clearTimeout(this.#repairTimer)
          this.#repairFailure = undefined
        },
        (error: unknown) => {
          this.#repairFailed(damage, error)
          throw error
        },
      )
      .finally(() => (this.#repairing = undefined))
    return this.#repairing
  }

  #repairFailed(damage: unknown, error: unknown): void {
    clearTimeout(this.#repairTimer)
    this.#repairFailure = error instanceof Error ? error : new Error(String(error))
    this.recheckRoom()
    if (!this.#stopped) this.#repairTimer = setTimeout(() => this.#repairInBackground(damage), REPAIR_RETRY_MS)
  }

  #repairInBackground(damage: unknown): void {
    // Who wants to know why it failed asks for what needs the view.
    if (!this.#stopped) void this.#repair(damage).catch(() => undefined)
  }

  /**
   * Makes the view anew by `recover`, which leaves it with the sealed state that `mark` names, and puts what is pending on top.
   * `main` must not move meanwhile; reads and writes that need the view wait.
   */
  async recoverView(recover: () => Promise<void>): Promise<void> {
    await this.#writer.halt()
    this.#cache.clear()
    this.#recoveries++
    await recover()
    // The newest first, and only where nothing newer is known.
    for (const entry of this.#waiting.toReversed())
      for (const change of entry.changes.toReversed()) this.#table.restore(change, change.content)
    this.#writer.restart()
  }

  // --- Back-pressure and events --------------------------------------------------------------------------------------

  #makeRoom(): void {
    if (!this.isFull) this.#room.open()
  }

  /** Sealing failed, or the view's repair, or the disk: writers that wait for room look whether they wait in vain. */
  recheckRoom(): void {
    this.#room.open()
  }

  /** Called after changes are durable, in the order they became visible. Returns the undo. */
  subscribe(listener: (event: StoreEvent) => void): () => void {
    this.#assertOpen()
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #tell(event: StoreEvent): void {
    for (const listener of [...this.#listeners]) {
      try {
        listener(event)
      } catch (error) {
        // What happened has happened, and the other listeners are to know.
        this.#parts.onListenerFailed(error)
      }
    }
  }

  #assertOpen(): void {
    if (this.#stopped) throw new AtollError('CLOSED', 'the database is closed', { what: 'database' })
  }

  /** Takes no more calls; resolves when writes under way have ended. */
  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#repairTimer)
    this.#room.open()
    await this.withoutWriters(async () => undefined)
  }

  /** Resolves when the view has all that is durable, or cannot have it: then that is done at the next start. Call `stop` before. */
  async close(): Promise<void> {
    await this.#repairing?.catch(() => undefined)
    await this.#writer.complete().catch(() => undefined)
    await this.#writer.halt()
  }
}

function orAborted(promise: Promise<void>, signal: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const aborted = (): void => resolve()
    signal.addEventListener('abort', aborted, { once: true })
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', aborted))
  })
}
