import { rm } from 'node:fs/promises'
import type { AbstractIterator, AbstractLevel } from 'abstract-level'
import { ClassicLevel } from 'classic-level'
import { MemoryLevel } from 'memory-level'
import { type CollectionKind, type CollectionName, compareUtf8, isAtollError, type RecordRef } from '@atolldb/core'
import {
  collectionRange,
  COUNT_RANGE,
  countKey,
  decodeMark,
  decodeViewJson,
  decodeViewValue,
  encodeMark,
  encodeViewJson,
  encodeViewValue,
  FORMAT_KEY,
  MARK_KEY,
  VIEW_FORMAT,
  viewKey,
  type ViewContent,
  type ViewKey,
  type ViewMark,
} from './encoding.ts'
import { translateLevelError, viewDamage } from './level-errors.ts'
import { lacksWrites } from './level-log.ts'
import { hasDamagedTable } from './level-table.ts'

/** So much of the tables is verified when a view is opened; the doctor verifies all of it. */
const VERIFIED_BYTES = 64 * 1024 * 1024

type Level = AbstractLevel<string | Buffer | Uint8Array, string, Buffer>

/** A change to the view; content undefined is a delete. */
export interface ViewChange extends RecordRef {
  readonly content: ViewContent | undefined
}

export interface ViewRange {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
}

/** A LevelDB with what is kept of it in memory. */
interface OpenLevel {
  readonly level: Level
  readonly counts: Map<string, number>
  readonly mark: ViewMark | undefined
  /** Nothing was ever in it. */
  readonly isNew: boolean
}

/**
 * Every live record in a LevelDB, written without fsync: derived from repository and journal, recovered from them whenever it
 * is behind or damaged, and never the only copy of anything. The lock of the data directory must be held.
 *
 * A damaged value or a LevelDB error is CORRUPT with the view's path. LevelDB is not to be trusted after a failed write:
 * its owner lets it `reopen`, or `clear`s it and fills it anew, between `beginRecovery` and `endRecovery`.
 */
export class View {
  readonly path: string
  readonly #isMemory: boolean
  #level: Level
  #counts: Map<string, number>
  #mark: ViewMark | undefined
  #isNew: boolean
  #isRecovering = false

  private constructor(path: string | undefined, opened: OpenLevel) {
    this.path = path ?? 'memory'
    this.#isMemory = path === undefined
    this.#level = opened.level
    this.#counts = opened.counts
    this.#mark = opened.mark
    this.#isNew = opened.isNew
  }

  /**
   * Opens or creates the view at a path; `undefined` keeps it in memory. One that cannot be opened is made anew, empty and
   * without a mark; so is one with damage in its logs, or in the newest `verifiedBytes` of its tables.
   * @throws NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED
   */
  static async open(path: string | undefined, verifiedBytes = VERIFIED_BYTES): Promise<View> {
    if (path === undefined)
      return new View(path, await loadLevel(new MemoryLevel({ valueEncoding: 'buffer' }), 'memory'))
    return new View(path, await openOrRecreate(path, verifiedBytes))
  }

  /** Undefined: nothing in it may be believed. */
  get mark(): ViewMark | undefined {
    return this.#mark
  }

  // --- Reading -------------------------------------------------------------------------------------------------------

  /** @throws CORRUPT; while it is being recovered too, since it may lack anything then */
  get(key: ViewKey): ViewContent | undefined {
    this.#assertRecovered()
    const value = this.#guarded(() => this.#level.getSync(key))
    return value === undefined ? undefined : this.#decode(key, value)
  }

  /** Live records of a collection. @throws CORRUPT */
  count(kind: CollectionKind, collection: CollectionName): number {
    this.#assertRecovered()
    return this.#counts.get(countKey(kind, collection)) ?? 0
  }

  /** All collections with records. @throws CORRUPT */
  collections(): { kind: CollectionKind; collection: CollectionName; records: number }[] {
    this.#assertRecovered()
    const found = []
    for (const [key, records] of this.#counts) {
      if (records === 0) continue
      const [, kind, collection] = key.split('\0')
      found.push({ kind: kind as CollectionKind, collection: collection as CollectionName, records })
    }
    return found
  }

  /** Records of a range, as they are at the moment of the call; the caller closes the iterator by ending its loop. @throws CORRUPT */
  range(kind: CollectionKind, collection: CollectionName, range: ViewRange): AsyncIterable<[string, ViewContent]> {
    this.#assertRecovered()
    const { prefix } = collectionRange(kind, collection)
    const bounds = levelBounds(kind, collection, range)
    // Created now, not at the first step: LevelDB takes its snapshot here.
    const level = this.#level
    const iterator = this.#guarded(() => level.iterator({ ...bounds, reverse: range.reverse ?? false }))
    return this.#decoded(level, iterator, prefix.length)
  }

  async *#decoded(
    level: Level,
    iterator: AbstractIterator<Level, string, Buffer>,
    prefixLength: number,
  ): AsyncGenerator<[string, ViewContent]> {
    try {
      for (;;) {
        const entries = await iterator.nextv(256)
        if (entries.length === 0) return
        for (const [key, value] of entries) yield [key.slice(prefixLength), this.#decode(key, value)]
      }
    } catch (error) {
      // Closed under the range, but not because the database is.
      if (this.#isRecovering || level !== this.#level) throw viewDamage(this.path, 'it was recovered meanwhile', error)
      throw this.#translated(error)
    } finally {
      await iterator.close()
    }
  }

  // --- Writing -------------------------------------------------------------------------------------------------------

  /**
   * Writes changes, their counts and the new mark (if there is one) in one LevelDB batch; not synced. At most one change per
   * record.
   * @throws CORRUPT, STORAGE_FULL, NOT_ACCESSIBLE: nothing more may be written before `reopen` or `clear`
   */
  async apply(changes: readonly ViewChange[], mark: ViewMark | undefined): Promise<void> {
    const keys = changes.map(viewKey)
    const existed = await this.#translate(this.#level.hasMany(keys))
    const deltas = new Map<string, number>()
    const batch = this.#guarded(() => this.#level.batch())
    this.#isNew = false
    for (const [index, change] of changes.entries()) {
      const key = keys[index] as string
      const before = existed[index] === true ? 1 : 0
      const after = change.content === undefined ? 0 : 1
      if (change.content === undefined) batch.del(key)
      else batch.put(key, encodeViewValue(key, change.content))
      if (after === before) continue
      const count = countKey(change.kind, change.collection)
      deltas.set(count, (deltas.get(count) ?? 0) + after - before)
    }
    const counts = new Map<string, number>()
    for (const [key, delta] of deltas) counts.set(key, (this.#counts.get(key) ?? 0) + delta)
    for (const [key, count] of counts) batch.put(key, encodeViewJson(key, count))
    if (mark !== undefined) batch.put(MARK_KEY, encodeMark(mark))
    await this.#translate(batch.write())
    for (const [key, count] of counts) this.#counts.set(key, count)
    this.#mark = mark
  }

  // --- Recovery ------------------------------------------------------------------------------------------------------

  /** From here on reads are refused, and `endRecovery` lets them in again. */
  beginRecovery(): void {
    this.#isRecovering = true
  }

  endRecovery(): void {
    this.#isRecovering = false
  }

  #assertRecovered(): void {
    if (this.#isRecovering) throw viewDamage(this.path, 'it is being recovered')
  }

  /** What LevelDB can recover of itself: the state of some mark that was written. @throws NOT_ACCESSIBLE, STORAGE_FULL */
  async reopen(): Promise<void> {
    if (this.#isMemory) return
    // Should it not open again, reads wait for a recovery and are not told that everything is closed.
    this.beginRecovery()
    await this.#level.close()
    this.#take(await openOrRecreate(this.path))
  }

  /** Forgets everything, so that not even a damaged file is left. @throws NOT_ACCESSIBLE, STORAGE_FULL */
  async clear(): Promise<void> {
    if (this.#isNew) return
    this.beginRecovery()
    this.#mark = undefined
    await this.#level.close()
    if (this.#isMemory)
      this.#take(await loadLevel(new MemoryLevel<string, Buffer>({ valueEncoding: 'buffer' }), this.path))
    else this.#take(await recreate(this.path))
  }

  #take(opened: OpenLevel): void {
    this.#level = opened.level
    this.#counts = opened.counts
    this.#mark = opened.mark
    this.#isNew = opened.isNew
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  #decode(key: string, value: Buffer): ViewContent {
    const content = decodeViewValue(key, value)
    if (content === undefined) throw viewDamage(this.path, `the value of ${JSON.stringify(key)} is damaged`)
    return content
  }

  #guarded<Result>(work: () => Result): Result {
    try {
      return work()
    } catch (error) {
      throw this.#translated(error)
    }
  }

  async #translate<Result>(work: Promise<Result>): Promise<Result> {
    try {
      return await work
    } catch (error) {
      throw this.#translated(error)
    }
  }

  #translated(error: unknown): unknown {
    return translateLevelError(error, this.path)
  }
}

interface LevelBounds {
  gt?: string
  gte?: string
  lt?: string
  lte?: string
}

/** The tighter one where two bounds of a side are given. */
function levelBounds(kind: CollectionKind, collection: CollectionName, range: ViewRange): LevelBounds {
  const { prefix, end } = collectionRange(kind, collection)
  const { gt, gte, lt, lte } = range
  const bounds: LevelBounds = {}
  if (gt !== undefined && (gte === undefined || compareUtf8(gt, gte) >= 0)) bounds.gt = prefix + gt
  else bounds.gte = prefix + (gte ?? '')
  if (lt !== undefined && (lte === undefined || compareUtf8(lt, lte) <= 0)) bounds.lt = prefix + lt
  else if (lte !== undefined) bounds.lte = prefix + lte
  else bounds.lt = end
  return bounds
}

async function openOrRecreate(path: string, verifiedBytes = VERIFIED_BYTES): Promise<OpenLevel> {
  if ((await lacksWrites(path)) || (await hasDamagedTable(path, verifiedBytes))) return recreate(path)
  try {
    return await openClassic(path)
  } catch (error) {
    // Room and permissions are for people to mend; derived data that cannot be read is worth nothing.
    if (!isAtollError(error, 'CORRUPT')) throw error
    return recreate(path)
  }
}

async function recreate(path: string): Promise<OpenLevel> {
  try {
    await rm(path, { recursive: true, force: true })
  } catch (error) {
    throw translateLevelError(error, path)
  }
  return openClassic(path)
}

function openClassic(path: string): Promise<OpenLevel> {
  const level: Level = new ClassicLevel<string, Buffer>(path, {
    valueEncoding: 'buffer',
    writeBufferSize: 8 * 1024 * 1024,
    cacheSize: 16 * 1024 * 1024,
  })
  return loadLevel(level, path)
}

async function loadLevel(level: Level, path: string): Promise<OpenLevel> {
  try {
    await level.open()
    const format = await level.get<string, string>(FORMAT_KEY, { valueEncoding: 'utf8' })
    if (format !== VIEW_FORMAT) {
      await level.clear()
      await level.put<string, string>(FORMAT_KEY, VIEW_FORMAT, { valueEncoding: 'utf8' })
    }
    const counts = new Map<string, number>()
    for (const [key, value] of await level.iterator(COUNT_RANGE).all()) {
      const count = decodeViewJson(key, value)
      if (typeof count !== 'number') throw viewDamage(path, `the count ${JSON.stringify(key)} is damaged`)
      counts.set(key, count)
    }
    const mark = await level.get(MARK_KEY)
    return { level, counts, mark: mark && decodeMark(mark), isNew: format === undefined }
  } catch (error) {
    await level.close().catch(() => undefined)
    throw translateLevelError(error, path)
  }
}
