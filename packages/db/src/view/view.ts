import { rm } from 'node:fs/promises'
import type { AbstractIterator, AbstractLevel } from 'abstract-level'
import { ClassicLevel } from 'classic-level'
import { MemoryLevel } from 'memory-level'
import { AtollError, type CollectionKind, type CollectionName, type CommitId, type RecordRef } from '@atolldb/core'
import {
  collectionRange,
  COUNT_RANGE,
  countKey,
  decodeViewValue,
  encodeViewValue,
  FORMAT_KEY,
  MARK_KEY,
  VIEW_FORMAT,
  viewKey,
  type ViewContent,
} from './encoding.ts'

type Level = AbstractLevel<string | Buffer | Uint8Array, string, Buffer>

/** Up to where the view is complete: the state of `main`, and the journal's entries up to `sequence` upon it. */
export interface ViewMark {
  readonly main: CommitId | undefined
  readonly sequence: number
}

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

/**
 * Every live record in a LevelDB, written without fsync: derived from repository and journal, rebuilt from them whenever it
 * is damaged, and never the only copy of anything.
 *
 * A damaged value or a LevelDB error is CORRUPT with the view's path: the owner calls `clear` and fills it anew.
 */
export class View {
  readonly path: string
  readonly #level: Level
  #counts: Map<string, number>
  #mark: ViewMark | undefined

  private constructor(path: string, level: Level, counts: Map<string, number>, mark: ViewMark | undefined) {
    this.path = path
    this.#level = level
    this.#counts = counts
    this.#mark = mark
  }

  /**
   * Opens or creates the view at a path; `undefined` keeps it in memory. LevelDB's own lock (a kernel lock, gone with its
   * process) is what guards the whole data directory against a second process.
   * @throws LOCKED, NOT_ACCESSIBLE
   */
  static async open(path: string | undefined): Promise<View> {
    const level = await openLevel(path)
    try {
      return await View.#load(path, level)
    } catch (error) {
      await level.close()
      if (path === undefined || !isDamage(error)) throw error
      await rm(path, { recursive: true, force: true })
      return View.#load(path, await openLevel(path))
    }
  }

  static async #load(path: string | undefined, level: Level): Promise<View> {
    const format = await level.get<string, string>(FORMAT_KEY, { valueEncoding: 'utf8' })
    if (format !== VIEW_FORMAT) {
      await level.clear()
      await level.put<string, string>(FORMAT_KEY, VIEW_FORMAT, { valueEncoding: 'utf8' })
    }
    const counts = new Map<string, number>()
    for (const [key, value] of await level.iterator<string, string>({ ...COUNT_RANGE, valueEncoding: 'utf8' }).all())
      counts.set(key, Number(value))
    const markText = await level.get<string, string>(MARK_KEY, { valueEncoding: 'utf8' })
    return new View(path ?? 'memory', level, counts, markText === undefined ? undefined : parseMark(markText))
  }

  /** Undefined: nothing in it may be believed. */
  get mark(): ViewMark | undefined {
    return this.#mark
  }

  /** @throws CORRUPT */
  get(ref: RecordRef): ViewContent | undefined {
    const key = viewKey(ref)
    const value = this.#guarded(() => this.#level.getSync(key))
    return value === undefined ? undefined : this.#decode(key, value)
  }

  /** Live records of a collection. */
  count(kind: CollectionKind, collection: CollectionName): number {
    return this.#counts.get(countKey(kind, collection)) ?? 0
  }

  /** All collections with records. */
  collections(): { kind: CollectionKind; collection: CollectionName; records: number }[] {
    const found = []
    for (const [key, records] of this.#counts) {
      if (records === 0) continue
      const [, kind, collection] = key.split('\0')
      found.push({ kind: kind as CollectionKind, collection: collection as CollectionName, records })
    }
    return found
  }

  /** Records of a range, as they are at the moment of the call; the caller closes the iterator by ending its loop. */
  range(kind: CollectionKind, collection: CollectionName, range: ViewRange): AsyncIterable<[string, ViewContent]> {
    const { prefix, end } = collectionRange(kind, collection)
    const lower = range.gt !== undefined ? { gt: prefix + range.gt } : { gte: prefix + (range.gte ?? '') }
    const upper =
      range.lte !== undefined ? { lte: prefix + range.lte } : { lt: range.lt === undefined ? end : prefix + range.lt }
    // Created now, not at the first step: LevelDB takes its snapshot here.
    const iterator = this.#level.iterator({ ...lower, ...upper, reverse: range.reverse ?? false })
    return this.#decoded(iterator, prefix.length)
  }

  async *#decoded(
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
      throw this.#translated(error)
    } finally {
      await iterator.close()
    }
  }

  /** Writes changes, their counts and the new mark (if there is one yet) in one LevelDB batch; not synced. At most one change per record. */
  async apply(changes: readonly ViewChange[], mark: ViewMark | undefined): Promise<void> {
    const keys = changes.map(viewKey)
    const existed = await this.#translate(this.#level.hasMany(keys))
    const deltas = new Map<string, number>()
    const batch = this.#level.batch()
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
    for (const [key, count] of counts) batch.put<string, string>(key, String(count), { valueEncoding: 'utf8' })
    if (mark !== undefined) batch.put<string, string>(MARK_KEY, JSON.stringify(mark), { valueEncoding: 'utf8' })
    await this.#translate(batch.write())
    for (const [key, count] of counts) this.#counts.set(key, count)
    this.#mark = mark
  }

  /** Forgets everything, the mark first, so that a crash in between leaves nothing that could be believed. */
  async clear(): Promise<void> {
    this.#mark = undefined
    this.#counts = new Map()
    await this.#translate(this.#level.del(MARK_KEY))
    await this.#translate(this.#level.clear())
    await this.#translate(this.#level.put<string, string>(FORMAT_KEY, VIEW_FORMAT, { valueEncoding: 'utf8' }))
  }

  async close(): Promise<void> {
    await this.#level.close()
  }

  #decode(key: string, value: Buffer): ViewContent {
    const content = decodeViewValue(key, value)
    if (content === undefined) throw corrupt(this.path, `the value of ${JSON.stringify(key)} is damaged`)
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
    if (error instanceof AtollError || !hasCode(error)) return error
    if (error.code === 'LEVEL_DATABASE_NOT_OPEN' || error.code === 'LEVEL_ITERATOR_NOT_OPEN')
      return new AtollError('CLOSED', 'the database is closed', { what: 'database' }, { cause: error })
    return corrupt(this.path, describe(error), error)
  }
}

async function openLevel(path: string | undefined): Promise<Level> {
  if (path === undefined) {
    const memory: Level = new MemoryLevel<string, Buffer>({ valueEncoding: 'buffer' })
    await memory.open()
    return memory
  }
  try {
    return await openClassic(path)
  } catch (error) {
    if (isLocked(error))
      throw new AtollError('LOCKED', 'the data directory is in use', { directory: path }, { cause: error })
    if (!isDamage(error)) throw error
    // Derived data that cannot even be opened: a new one is filled from the repository.
    await rm(path, { recursive: true, force: true })
    return openClassic(path)
  }
}

async function openClassic(path: string): Promise<Level> {
  const level: Level = new ClassicLevel<string, Buffer>(path, {
    valueEncoding: 'buffer',
    writeBufferSize: 16 * 1024 * 1024,
    cacheSize: 16 * 1024 * 1024,
  })
  await level.open()
  return level
}

interface Coded extends Error {
  readonly code: string
}

function hasCode(error: unknown): error is Coded {
  return error instanceof Error && 'code' in error && typeof error.code === 'string'
}

function causes(error: unknown): unknown[] {
  return error instanceof Error && error.cause !== undefined ? [error, ...causes(error.cause)] : [error]
}

function isLocked(error: unknown): boolean {
  return causes(error).some(cause => hasCode(cause) && cause.code === 'LEVEL_LOCKED')
}

function isDamage(error: unknown): boolean {
  return causes(error).some(
    cause =>
      (hasCode(cause) && (cause.code === 'LEVEL_CORRUPTION' || cause.code === 'CORRUPT')) ||
      (cause instanceof Error && /corruption|missing files|CURRENT file|bad record|not a sstable/i.test(cause.message)),
  )
}

function describe(error: Coded): string {
  return causes(error)
    .map(cause => (cause instanceof Error ? cause.message : String(cause)))
    .join(': ')
}

function corrupt(file: string, reason: string, cause?: unknown): AtollError<'CORRUPT'> {
  return new AtollError('CORRUPT', `${file}: ${reason}`, { file, reason, repair: 'atoll doctor --rebuild' }, { cause })
}

function parseMark(text: string): ViewMark | undefined {
  try {
    return JSON.parse(text) as ViewMark
  } catch {
    // A damaged mark vouches for nothing.
    return undefined
  }
}
