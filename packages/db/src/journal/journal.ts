import { constants } from 'node:fs'
import { open, readdir, readFile, unlink, type FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, type Clock, type CommitId } from '@atolldb/core'
import { syncDirectory, translateSystemError } from '@atolldb/git'
import type { Durability } from '../api/database.ts'
import { encodeSealed, encodeSegmentHeader, FrameBuilder, SEGMENT_HEADER_BYTES } from './frame.ts'
import type { JournalChange, JournalEntry } from './frame.ts'
import { recoverSegment, type RecoveredSegment } from './recovery.ts'

/** A sealed segment larger than this is replaced by a new one. */
const ROTATE_BYTES = 4 * 1024 * 1024
/** A group is written when it reaches this, so that one append never holds the loop or the memory for long. */
const MAX_GROUP_BYTES = 4 * 1024 * 1024

interface Segment {
  readonly path: string
  readonly firstSequence: number
}

interface Waiter {
  resolve(): void
  reject(error: unknown): void
}

/** Writers that share one append and one sync. */
class Group {
  readonly frames: FrameBuilder[] = []
  readonly waiters: Waiter[] = []
  sizeBytes = 0
}

/**
 * The truth of the last moments: acknowledged changes that are not in a commit yet. Append-only segments; all writers that
 * wait share one append and one `fdatasync` (group commit).
 *
 * Crash guarantee: when `append` resolves, the entry survives SIGKILL, and with durability `sync` power loss too. An entry
 * whose `append` was not acknowledged may or may not be there after a crash, but never a part of it.
 */
export class Journal {
  readonly #directory: string
  readonly #durability: Durability
  readonly #onAbandon: () => void
  #segments: Segment[]
  #file: FileHandle
  #goodBytes: number
  #nextSequence: number
  #sealedSequence: number
  #open: Group | undefined
  #writing: Promise<void> | undefined
  #synced = true
  #failure: AtollError | undefined

  private constructor(directory: string, durability: Durability, onAbandon: () => void, opened: OpenedJournal) {
    this.#directory = directory
    this.#durability = durability
    this.#onAbandon = onAbandon
    this.#segments = opened.segments
    this.#file = opened.file
    this.#goodBytes = opened.goodBytes
    this.#nextSequence = opened.nextSequence
    this.#sealedSequence = opened.sealedSequence
  }

  /**
   * Opens the journal, cuts off a torn tail and returns the entries that no commit is known to hold. `onAbandon` is called
   * when an append failed, before its writers are told: whatever was not acknowledged will never be durable.
   * @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED
   */
  static async open(
    directory: string,
    durability: Durability,
    onAbandon: () => void,
  ): Promise<{ journal: Journal; unsealed: readonly JournalEntry[] }> {
    const opened = await openSegments(directory)
    return { journal: new Journal(directory, durability, onAbandon, opened), unsealed: opened.unsealed }
  }

  /** Sequence number of the newest entry handed out; 0 when there was never one. */
  get lastSequence(): number {
    return this.#nextSequence - 1
  }

  /** Why no more writes are accepted, if so. */
  get failure(): AtollError | undefined {
    return this.#failure
  }

  /**
   * Takes an entry now, in the order of calls; the promise resolves when it is durable.
   * @throws STORAGE_FULL (this entry is not kept; later ones may be), STORAGE_FAILED (the journal takes nothing more)
   */
  append(main: CommitId | undefined, clock: Clock, changes: readonly JournalChange[]): Promise<void> {
    if (this.#failure !== undefined) return Promise.reject(this.#failure)
    const group = (this.#open ??= new Group())
    let frame = group.frames.at(-1)
    if (frame === undefined || frame.main !== main) {
      frame = new FrameBuilder(main, this.#nextSequence)
      group.frames.push(frame)
    }
    const before = frame.sizeBytes
    frame.add(clock, changes)
    group.sizeBytes += frame.sizeBytes - before
    this.#nextSequence++
    const done = new Promise<void>((resolve, reject) => group.waiters.push({ resolve, reject }))
    this.#writing ??= this.#writeGroups()
    return done
  }

  /** Is the group of waiting writers large enough that new writers should wait? */
  get congested(): boolean {
    return this.#open !== undefined && this.#open.sizeBytes > MAX_GROUP_BYTES
  }

  /** Resolves when nothing that was appended before is still being written. Never rejects. */
  async idle(): Promise<void> {
    while (this.#writing !== undefined) await this.#writing
  }

  async #writeGroups(): Promise<void> {
    // One turn of the loop lets every writer of this moment into the group.
    await Promise.resolve()
    while (this.#open !== undefined) {
      const group = this.#open
      this.#open = undefined
      const error = await this.#writeGroup(group)
      if (error === undefined) for (const waiter of group.waiters) waiter.resolve()
      else this.#failGroups(group, error)
    }
    this.#writing = undefined
  }

  /** What came after a failed group was made upon it: it fails too, and its sequence numbers are used again. */
  #failGroups(group: Group, error: AtollError): void {
    const waiters = [...group.waiters, ...(this.#open?.waiters ?? [])]
    this.#open = undefined
    this.#nextSequence -= waiters.length
    this.#onAbandon()
    for (const waiter of waiters) waiter.reject(error)
  }

  async #writeGroup(group: Group): Promise<AtollError | undefined> {
    const bytes = Buffer.concat(group.frames.map(frame => frame.finish(this.#synced)))
    return this.#write(bytes, this.#durability === 'sync')
  }

  async #write(bytes: Buffer, sync: boolean): Promise<AtollError | undefined> {
    const path = this.#segments.at(-1)?.path ?? this.#directory
    try {
      let written = 0
      while (written < bytes.length) {
        const result = await this.#file.write(bytes, written, bytes.length - written, this.#goodBytes + written)
        written += result.bytesWritten
      }
    } catch (cause) {
      return this.#cutBack(asStorageError(cause, path))
    }
    if (sync) {
      try {
        await this.#file.datasync()
      } catch (cause) {
        // After a failed fsync nobody knows what is on disk: never retried, never acknowledged.
        return this.#fail(path, cause)
      }
    }
    this.#synced = sync
    this.#goodBytes += bytes.length
    return undefined
  }

  /** Takes a failed append back, so that the next one follows the last good byte. */
  async #cutBack(error: AtollError): Promise<AtollError> {
    const path = this.#segments.at(-1)?.path ?? this.#directory
    try {
      await this.#file.truncate(this.#goodBytes)
    } catch (cause) {
      return this.#fail(path, cause)
    }
    if (error.code !== 'STORAGE_FULL') this.#failure = error
    return error
  }

  #fail(path: string, cause: unknown): AtollError {
    const reason = cause instanceof Error ? cause.message : String(cause)
    this.#failure = new AtollError('STORAGE_FAILED', `${path}: ${reason}`, { path, reason }, { cause })
    return this.#failure
  }

  /**
   * Notes that everything up to this entry is in a commit which a ref names durably, and lets go of segments that hold
   * nothing else. The note itself becomes durable with the next append, or with `sync`.
   */
  async sealed(sequence: number, commit: CommitId): Promise<void> {
    await this.#exclusively(async () => {
      const error = await this.#write(encodeSealed(sequence, commit), false)
      if (error !== undefined) return
      this.#sealedSequence = Math.max(this.#sealedSequence, sequence)
      const allSealed = this.#sealedSequence === this.lastSequence
      if (this.#goodBytes > ROTATE_BYTES && (allSealed || this.#goodBytes > 4 * ROTATE_BYTES)) await this.#rotate()
      await this.#dropSealedSegments()
    })
  }

  /** Makes every seal note durable: required before commits of others are adopted. */
  async sync(): Promise<void> {
    await this.#exclusively(async () => {
      if (this.#synced || this.#durability === 'os') return
      const error = await this.#write(Buffer.alloc(0), true)
      if (error !== undefined) throw error
    })
  }

  /** Waits for the writers in front and keeps those behind waiting. */
  async #exclusively(work: () => Promise<void>): Promise<void> {
    // No await between the last check and taking our turn.
    while (this.#writing !== undefined) await this.#writing
    const running = work().finally(() => {
      this.#writing = this.#open === undefined ? undefined : this.#writeGroups()
    })
    this.#writing = running.catch(() => undefined)
    await running
  }

  async #rotate(): Promise<void> {
    const next = await createSegment(this.#directory, this.#nextSequence)
    const old = this.#file
    this.#file = next.file
    this.#goodBytes = SEGMENT_HEADER_BYTES
    this.#segments.push(next.segment)
    this.#synced = true
    await old.close()
  }

  async #dropSealedSegments(): Promise<void> {
    while (this.#segments.length > 1) {
      const following = this.#segments[1]
      const oldest = this.#segments[0]
      if (following === undefined || oldest === undefined || following.firstSequence - 1 > this.#sealedSequence) return
      await unlink(oldest.path)
      this.#segments.shift()
    }
  }

  /** Resolves when everything appended is written; the journal takes nothing afterwards. */
  async close(): Promise<void> {
    await this.idle()
    this.#failure ??= new AtollError('CLOSED', 'the database is closed', { what: 'database' })
    await this.#file.close()
  }
}

interface OpenedJournal {
  readonly segments: Segment[]
  readonly file: FileHandle
  readonly goodBytes: number
  readonly nextSequence: number
  readonly sealedSequence: number
  readonly unsealed: readonly JournalEntry[]
}

async function openSegments(directory: string): Promise<OpenedJournal> {
  const names = (await readdir(directory)).filter(name => name.endsWith('.log')).toSorted()
  const segments: Segment[] = []
  const entries: JournalEntry[] = []
  let nextSequence: number | undefined
  let sealedSequence = 0
  let last: RecoveredSegment | undefined
  for (const [index, name] of names.entries()) {
    const path = join(directory, name)
    const segment = recoverSegment(path, await readFile(path), index === names.length - 1)
    if (segment === undefined) {
      await unlink(path)
      continue
    }
    if (nextSequence !== undefined && segment.firstSequence !== nextSequence) throw gap(path, nextSequence)
    for (const entry of segment.entries) entries.push(entry)
    for (const mark of segment.sealed) sealedSequence = Math.max(sealedSequence, mark.sequence)
    nextSequence = segment.firstSequence + segment.entries.length
    segments.push({ path, firstSequence: segment.firstSequence })
    last = segment
  }
  const unsealed = entries.filter(entry => entry.sequence > sealedSequence)
  const newest = segments.at(-1)
  if (newest === undefined || last === undefined) {
    const created = await createSegment(directory, 1)
    return {
      segments: [created.segment],
      file: created.file,
      goodBytes: SEGMENT_HEADER_BYTES,
      nextSequence: 1,
      sealedSequence: 0,
      unsealed,
    }
  }
  const file = await open(newest.path, constants.O_RDWR)
  await file.truncate(last.goodBytes)
  await file.sync()
  return { segments, file, goodBytes: last.goodBytes, nextSequence: nextSequence ?? 1, sealedSequence, unsealed }
}

async function createSegment(
  directory: string,
  firstSequence: number,
): Promise<{ segment: Segment; file: FileHandle }> {
  const path = join(directory, `${String(firstSequence).padStart(16, '0')}.log`)
  const file = await open(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC, 0o644)
  await file.write(encodeSegmentHeader(firstSequence), 0, SEGMENT_HEADER_BYTES, 0)
  await file.sync()
  await syncDirectory(directory)
  return { segment: { path, firstSequence }, file }
}

function gap(path: string, expected: number): AtollError<'CORRUPT'> {
  const reason = `entry ${expected} should come first: a segment before it is missing`
  return new AtollError('CORRUPT', `${path}: ${reason}`, { file: path, reason, repair: 'atoll doctor --repair' })
}

function asStorageError(cause: unknown, path: string): AtollError {
  const error = translateSystemError(cause, path)
  if (error instanceof AtollError) return error
  throw error
}
