import {
  AtollError,
  type ChangeLists,
  type CommitGraph,
  type CommitId,
  isAtollError,
  lookupRecord,
  type NodeId,
  type ObjectId,
  recordKey,
  type RecordKey,
  type RecordVersion,
  sameContent,
} from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { ChangesOptions, FeedChange } from '../api/history.ts'
import { contentToValue, contentVersion } from '../engine/content.ts'
import { eachNamed } from '../engine/named-objects.ts'
import type { RecordStore } from '../engine/record-store.ts'
import type { JournalEntry } from '../journal/frame.ts'
import { decodeFeedCursor, encodeFeedCursor, type FeedPlace } from './feed-cursor.ts'
import { moveAuthors } from './move-authors.ts'
import type { Move, MoveLog } from './moves.ts'
import { loadRecordChange, recordDifferences } from './record-changes.ts'
import { checkScope, type CheckedScope, scopeHasRecord } from './record-scope.ts'
import type { UndoneLog, UndoneRecord } from './undone.ts'

export interface FeedParts {
  readonly moves: MoveLog
  readonly undone: UndoneLog
  readonly store: RecordStore
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly changes: ChangeLists
  readonly node: NodeId
  readonly name: () => string
  /** Calls back when something may have become visible. Returns the undo. */
  readonly onChange: (listener: () => void) => () => void
}

/** What is read from one place on, and how. */
interface Reading {
  readonly scope: CheckedScope | undefined
  readonly signal: AbortSignal | undefined
  readonly onReached: ((cursor: string) => void) | undefined
  /** What was told of the entries that wait to be sealed: their commit need not tell it again. */
  readonly told: Map<RecordKey, ToldEntry>
}

/** What was told of a record from the journal. */
interface ToldEntry {
  readonly content: RecordVersion | undefined
  /** Of the entry. */
  readonly sequence: number
}

/**
 * The changes of this node in the order in which they became visible here. What is committed is told by the difference
 * between one `main` and the next; what waits to be sealed, by its journal entries in memory. So writing costs nothing more,
 * and a reader may stop for as long as it likes.
 */
export class Feed {
  readonly #parts: FeedParts
  readonly #closing = new AbortController()

  constructor(parts: FeedParts) {
    this.#parts = parts
  }

  /** The place of this moment. */
  cursor(): string {
    return encodeFeedCursor(this.#now())
  }

  #now(): FeedPlace {
    const { moves, store } = this.#parts
    const { position, last, incarnation } = moves
    return { position, main: last?.main, index: 0, incarnation, sequence: store.lastSequence }
  }

  /** See `Database.changes`. @throws INVALID at once; MISSING and ABORTED on the way */
  changes({ since, live = true, signal, onReached, ...scope }: ChangesOptions = {}): AsyncIterable<FeedChange> {
    const checked = checkScope(scope)
    const from = since === undefined ? this.#now() : decodeFeedCursor(since)
    const told = new Map<RecordKey, ToldEntry>()
    // Where the reader knows entries that are pending still, it is not told of them by their commit.
    if (from.incarnation === this.#parts.moves.incarnation)
      for (const entry of this.#parts.store.pendingEntries(0)) if (entry.sequence <= from.sequence) note(told, entry)
    return this.#read(from, live, { scope: checked, signal, onReached, told })
  }

  async *#read(from: FeedPlace, live: boolean, reading: Reading): AsyncGenerator<FeedChange, void, void> {
    const place = await this.#checked(from)
    yield* eachNamed(this.#parts.repository, this.#readFrom(place, live, reading))
  }

  async *#readFrom(from: FeedPlace, live: boolean, reading: Reading): AsyncGenerator<FeedChange, void, void> {
    const { moves, store } = this.#parts
    let place = from
    for (;;) {
      this.#assertRunning(reading.signal)
      if (place.position < moves.position) {
        place = yield* this.#nextMove(place, reading)
        continue
      }
      const known = place.incarnation === moves.incarnation ? place.sequence : 0
      const entries = store.pendingEntries(known)
      for (const entry of entries) {
        this.#assertRunning(reading.signal)
        // What was told of a later entry before a restart is not forgotten before it is told again.
        const isKnown = place.incarnation === moves.incarnation || entry.sequence >= place.sequence
        const next = isKnown ? { ...place, incarnation: moves.incarnation, sequence: entry.sequence } : place
        yield* this.#pending(entry, [place, next], reading)
        place = next
      }
      if (entries.length > 0) {
        place = { ...place, incarnation: moves.incarnation, sequence: entries.at(-1)!.sequence }
        continue
      }
      reading.onReached?.(encodeFeedCursor(place))
      if (!live) return
      // No await since the look above: nothing can have come in between.
      await this.#somethingNew(reading.signal)
    }
  }

  /** A cursor of a `main` that was here at another position, or not at all: told by what differs from it. @throws MISSING */
  async #checked(place: FeedPlace): Promise<FeedPlace> {
    const { moves, graph } = this.#parts
    if (place.main === undefined) return { ...place, position: -1 }
    const there = await moves.read(place.position)
    try {
      await graph.node(place.main)
    } catch (error) {
      if (!isAtollError(error, 'MISSING')) throw error
      throw unknownCursor()
    }
    return there?.main === place.main
      ? place
      : { ...place, position: Math.max(-1, moves.position - 1), index: 0, next: undefined, incarnation: 0 }
  }

  /** From one `main` to the next that is still there. Returns the place behind it. */
  async *#nextMove(place: FeedPlace, reading: Reading): AsyncGenerator<FeedChange, FeedPlace, void> {
    const { moves, graph } = this.#parts
    const { position, move } = await this.#next(place)
    const before = place.position < 0 ? undefined : await moves.read(place.position)
    const isSeal = before !== undefined && move.sealed > before.sealed
    // Where a position is left out, more than a seal may lie between.
    const isNext = position === place.position + 1
    const knowsAll = isSeal && isNext && move.incarnation === place.incarnation && move.sealed <= place.sequence
    if (!knowsAll) {
      const undone = this.#undone(place, before, move)
      const beforeTree = place.main === undefined ? undefined : (await graph.node(place.main)).tree
      const { tree } = await graph.node(move.main)
      await moves.settled()
      // In the middle of a move to another main than this one, it is begun anew: rather told again than missed.
      const from = place.next === move.main ? place : { ...place, index: 0, next: move.main }
      const told = isSeal ? reading.told : new Map<RecordKey, ToldEntry>()
      let index = yield* this.#differences(from, move.main, [beforeTree, tree], { ...reading, told })
      for (const record of undone) {
        this.#assertRunning(reading.signal)
        if (++index > from.index) yield* this.#putBack(record, { ...from, index }, tree, { ...reading, told })
      }
    }
    // What a later seal holds stays: that one is still to be read, be it made by now or not.
    if (isSeal && move.incarnation === moves.incarnation)
      for (const [key, { sequence }] of reading.told) if (sequence <= move.sealed) reading.told.delete(key)
    const known = move.sealed > place.sequence ? { incarnation: move.incarnation, sequence: move.sealed } : {}
    return { ...place, position, main: move.main, index: 0, next: undefined, ...known }
  }

  /** What was told from the journal, and then undone by what was sealed with it. @throws MISSING */
  #undone({ sequence }: FeedPlace, before: Move | undefined, move: Move): readonly UndoneRecord[] {
    // All that was told is in the main that was told, or is still to be sealed.
    if (sequence <= (before?.sealed ?? 0) || sequence >= move.sealed) return []
    const undone = this.#parts.undone.since(sequence, move.sealed)
    if (undone === undefined) throw unknownCursor()
    return undone
  }

  /** A merge commit that nothing names may be gone: then it is told together with the one after it. */
  async #next(place: FeedPlace): Promise<{ position: number; move: Move }> {
    const { moves, repository } = this.#parts
    for (let position = place.position + 1; ; position++) {
      const move = await moves.read(position)
      if (position === moves.position && move !== undefined) return { position, move }
      if (move !== undefined && (await repository.has(move.main))) return { position, move }
    }
  }

  async *#differences(
    place: FeedPlace,
    main: CommitId,
    [before, after]: readonly [ObjectId | undefined, ObjectId],
    { scope, signal, told }: Reading,
  ): AsyncGenerator<FeedChange, number, void> {
    if (before === after) return 0
    const { repository, graph, changes } = this.#parts
    const authorOf = await moveAuthors({ reader: repository, graph, changes }, place.main, main)
    let index = 0
    // All collections, whatever the scope: a place counts them.
    for await (const difference of recordDifferences(repository, before, after, undefined)) {
      this.#assertRunning(signal)
      index++
      if (index <= place.index || !scopeHasRecord(scope, difference)) continue
      const key = recordKey(difference)
      const known = told.get(key)
      if (known !== undefined && sameContent(known.content, difference.after)) continue
      const change = await loadRecordChange(repository, difference)
      const authorship = await authorOf(key)
      yield {
        cursor: encodeFeedCursor({ ...place, index }),
        kind: change.kind,
        collection: change.collection,
        id: change.id,
        op: change.op,
        value: change.after?.value,
        version: change.after?.version,
        author: authorship?.author,
        commit: authorship?.commit,
        origin: authorship?.author.node === this.#parts.node ? 'local' : 'remote',
      }
    }
    return index
  }

  /** A record as it is after a seal in which a write undid what was told of it. No commit says so. */
  async *#putBack(
    { ref }: UndoneRecord,
    place: FeedPlace,
    tree: ObjectId,
    { scope, told }: Reading,
  ): AsyncGenerator<FeedChange, void, void> {
    const { repository, node, name } = this.#parts
    if (!scopeHasRecord(scope, ref)) return
    const after = await lookupRecord(repository, tree, ref)
    const known = told.get(recordKey(ref))
    if (known !== undefined && sameContent(known.content, after)) return
    const {
      kind,
      collection,
      id,
      op,
      after: stored,
    } = await loadRecordChange(repository, { ...ref, before: undefined, after })
    yield {
      cursor: encodeFeedCursor(place),
      kind,
      collection,
      id,
      op,
      value: stored?.value,
      version: stored?.version,
      author: { node, name: name() },
      commit: undefined,
      origin: 'local',
    }
  }

  /** A batch is told in one piece: only its last change moves the place on. */
  async *#pending(
    entry: JournalEntry,
    [place, next]: readonly [FeedPlace, FeedPlace],
    reading: Reading,
  ): AsyncGenerator<FeedChange, void, void> {
    const { node, name } = this.#parts
    note(reading.told, entry)
    const wanted = entry.changes.filter(change => scopeHasRecord(reading.scope, change))
    for (const [i, change] of wanted.entries()) {
      const { kind, collection, id, content } = change
      const isLast = i === wanted.length - 1
      yield {
        cursor: encodeFeedCursor(isLast ? next : place),
        kind,
        collection,
        id,
        op: content === undefined ? 'delete' : 'put',
        value: content && contentToValue<unknown>(content),
        version: content && contentVersion(content),
        author: { node, name: name() },
        commit: undefined,
        origin: 'local',
      }
    }
  }

  #somethingNew(signal: AbortSignal | undefined): Promise<void> {
    const stops = [this.#closing.signal, ...(signal === undefined ? [] : [signal])]
    return new Promise(resolve => {
      const done = (): void => {
        undo()
        for (const stop of stops) stop.removeEventListener('abort', done)
        resolve()
      }
      const undo = this.#parts.onChange(done)
      for (const stop of stops) stop.addEventListener('abort', done)
      if (stops.some(stop => stop.aborted)) done()
    })
  }

  /** @throws CLOSED, ABORTED */
  #assertRunning(signal: AbortSignal | undefined): void {
    if (this.#closing.signal.aborted) throw new AtollError('CLOSED', 'the database is closed', { what: 'changes' })
    if (signal?.aborted === true) throw new AtollError('ABORTED', 'the feed was aborted', { what: 'changes' })
  }

  /** Whoever waits is told that it is over. */
  stop(): void {
    this.#closing.abort()
  }
}

function unknownCursor(): AtollError<'MISSING'> {
  const message = 'this node does not know that cursor (any more): read everything, with since 0'
  return new AtollError('MISSING', message, { what: 'cursor' })
}

function note(told: Map<RecordKey, ToldEntry>, { sequence, changes }: JournalEntry): void {
  for (const change of changes) {
    const { content } = change
    told.set(recordKey(change), {
      content: content && { format: content.format, version: contentVersion(content) },
      sequence,
    })
  }
}
