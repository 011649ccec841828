import { AtollError, type Clock, type CommitId, isAtollError } from '@atolldb/core'
import { translateSystemError, writeFully } from '@atolldb/git'
import type { Durability } from '../api/database.ts'
import { encodeSealed, FrameBuilder } from './frame.ts'
import type { JournalChange, JournalEntry, SealNote } from './frame.ts'
import {
  createSegment,
  type HasCommit,
  type JournalFile,
  openJournalFile,
  type OpenedSegments,
  type OpenJournalFile,
  openSegments,
  readSegments,
  removeSegment,
  type Segment,
} from './segments.ts'

const DEFAULT_ROTATE_BYTES = 4 * 1024 * 1024
/** New writers wait while a group is larger than this, so that one append never holds the loop or the memory for long. */
const MAX_GROUP_BYTES = 1024 * 1024

/**
 * Zeros are written ahead of small appends: most synced appends then overwrite what the file has, so that the file system has
 * neither a new size nor a new place to make durable, which is a third of their time. Large appends would pay more than they gain.
 */
const DEFAULT_ROOM_BYTES = 256 * 1024
const ROOM_PER_APPEND = 16

/** Told in the very turn of the loop in which the fate of its entry is known; must not throw. */
export interface Waiter {
  resolve(): void
  reject(error: AtollError): void
}

/** Writers that share one append and one sync. */
class Group {
  readonly frames: FrameBuilder[] = []
  readonly waiters: Waiter[] = []
  entryCount = 0
  sizeBytes = 0
}

export interface JournalOptions {
  readonly durability: Durability
  /** An append failed: called before its writers are told. Whatever was not acknowledged will never be durable. */
  readonly onAbandon: () => void
  /** It takes nothing more from now on: `failure` says why. */
  readonly onRefusing?: () => void
  /** A sealed segment larger than this is replaced by a new one. Default 4 MiB. */
  readonly rotateBytes?: number
  /** How many zeros are written ahead of small appends with durability `sync`. Default 256 KiB. */
  readonly roomBytes?: number
  /** Which seal notes to believe. Default: all of them. */
  readonly hasCommit?: HasCommit
  /** For tests: files that fail. */
  readonly openFile?: OpenJournalFile
}

/** What a journal held when it was opened. */
export interface JournalContent {
  /** Sealed ones too, as long as their segment is there. In order. */
  readonly entries: readonly JournalEntry[]
  /** Entries up to this one are known to be in commits of the repository. */
  readonly sealedSequence: number
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
  readonly #options: JournalOptions
  readonly #openFile: OpenJournalFile
  readonly #segments: Segment[]
  #file: JournalFile
  #goodBytes: number
  /** Length of the newest segment's file: what is behind `#goodBytes` are zeros. */
  #fileBytes: number
  /** 0 in a segment that found no space for it. */
  #roomBytes: number
  /** How much of the newest segment is durable for sure. */
  #syncedBytes: number
  #nextSequence: number
  #sealedSequence: number
  /** The latest note, while it could not be written. */
  #unwrittenNote: SealNote | undefined
  /** Gathers writers while another group is being written. */
  #open: Group | undefined
  #current: Group | undefined
  readonly #tasks: (() => Promise<void>)[] = []
  #running: Promise<void> | undefined
  #failure: AtollError | undefined

  private constructor(directory: string, options: JournalOptions, openFile: OpenJournalFile, opened: OpenedSegments) {
    this.#directory = directory
    this.#options = options
    this.#openFile = openFile
    this.#segments = opened.segments
    this.#file = opened.file
    this.#goodBytes = opened.goodBytes
    this.#fileBytes = opened.goodBytes
    this.#roomBytes = options.roomBytes ?? DEFAULT_ROOM_BYTES
    this.#syncedBytes = opened.goodBytes
    this.#nextSequence = opened.nextSequence
    this.#sealedSequence = opened.sealedSequence
  }

  /**
   * Opens the journal of a directory, cuts off a torn tail and returns what it holds. Entries whose seal note names a commit that
   * the repository does not have are not sealed.
   * @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED
   */
  static async open(
    directory: string,
    options: JournalOptions,
  ): Promise<{ journal: Journal; content: JournalContent }> {
    const openFile = options.openFile ?? openJournalFile
    const opened = await openSegments(directory, openFile, options.hasCommit)
    const { entries, sealedSequence } = opened
    return { journal: new Journal(directory, options, openFile, opened), content: { entries, sealedSequence } }
  }

  /** Sequence number of the newest entry handed out; 0 when there was never one. */
  get lastSequence(): number {
    return this.#nextSequence - 1
  }

  /** Why no more writes are accepted, if so. */
  get failure(): AtollError | undefined {
    return this.#failure
  }

  /** Accepts no more writes, since what the disk holds is not known. */
  refuse(failure: AtollError): void {
    if (this.#failure !== undefined) return
    this.#failure = failure
    this.#options.onRefusing?.()
  }

  /**
   * Takes an entry now, in the order of calls, and returns its sequence number; the waiter hears when it is durable, or that it
   * is not: STORAGE_FULL (this entry is not kept; later ones may be), STORAGE_FAILED (the journal takes nothing more).
   * @throws the failure of a journal that takes nothing more
   */
  append(main: CommitId | undefined, clock: Clock, changes: readonly JournalChange[], waiter: Waiter): number {
    if (this.#failure !== undefined) throw this.#failure
    const group = (this.#open ??= new Group())
    let frame = group.frames.at(-1)
    if (frame === undefined || frame.main !== main) {
      frame = new FrameBuilder(main, this.#nextSequence)
      group.frames.push(frame)
    }
    const before = frame.sizeBytes
    frame.add(clock, changes)
    group.sizeBytes += frame.sizeBytes - before
    group.entryCount++
    group.waiters.push(waiter)
    this.#running ??= this.#run()
    return this.#nextSequence++
  }

  /** Resolves when what was appended before is durable. @throws what that failed with */
  async settled(): Promise<void> {
    const group = this.#open ?? this.#current
    if (group !== undefined) await new Promise<void>((resolve, reject) => group.waiters.push({ resolve, reject }))
  }

  /** Is the group of waiting writers large enough that new writers should wait? */
  get congested(): boolean {
    return this.#open !== undefined && this.#open.sizeBytes > MAX_GROUP_BYTES
  }

  /** Resolves when nothing is being written any more. Never rejects. */
  async idle(): Promise<void> {
    while (this.#running !== undefined) await this.#running
  }

  /** Groups and tasks take turns, so that neither keeps the other waiting. */
  async #run(): Promise<void> {
    // One turn of the loop lets every writer of this moment into the group.
    await Promise.resolve()
    for (;;) {
      const task = this.#tasks.shift()
      const group = this.#open
      if (task === undefined && group === undefined) break
      await task?.()
      if (this.#open !== undefined) await this.#writeOpenGroup(this.#open)
    }
    this.#running = undefined
  }

  async #writeOpenGroup(group: Group): Promise<void> {
    this.#current = group
    this.#open = undefined
    const bytes = Buffer.concat(group.frames.map(frame => frame.finish(this.#syncedBytes)))
    const error = await this.#write(bytes, this.#options.durability === 'sync')
    this.#current = undefined
    if (error === undefined) for (const waiter of group.waiters) waiter.resolve()
    else this.#abandon(group, error)
  }

  /** What came after a failed group was made upon it: it fails too, and its sequence numbers are used again. */
  #abandon(group: Group, error: AtollError): void {
    const waiters = [...group.waiters, ...(this.#open?.waiters ?? [])]
    this.#nextSequence -= group.entryCount + (this.#open?.entryCount ?? 0)
    this.#open = undefined
    this.#options.onAbandon()
    for (const waiter of waiters) waiter.reject(error)
  }

  async #write(bytes: Buffer, sync: boolean): Promise<AtollError | undefined> {
    // Behind what a failed sync left nothing can be trusted, a frame of ours the least.
    if (this.#failure !== undefined) return this.#failure
    const inOne =
      sync && bytes.length > 0 && this.#syncedBytes === this.#goodBytes ? this.#file.writeDurably : undefined
    const room = sync ? this.#roomAhead(bytes.length) : 0
    try {
      // What is beyond the bytes is filled with zeros.
      const padded = room === 0 ? bytes : Buffer.concat([bytes], bytes.length + room)
      await writeFully({ write: inOne ?? this.#file.write }, padded, this.#goodBytes)
    } catch (cause) {
      const error = await this.#cutBack(cause)
      if (room === 0 || !isAtollError(error, 'STORAGE_FULL')) return error
      // There may be space for the bytes alone.
      this.#roomBytes = 0
      return this.#write(bytes, sync)
    }
    if (sync && inOne === undefined) {
      try {
        await this.#file.datasync()
      } catch (cause) {
        // After a failed fsync nobody knows what is on disk: never retried, never acknowledged.
        return this.#fail(cause)
      }
    }
    this.#fileBytes = Math.max(this.#fileBytes, this.#goodBytes + bytes.length + room)
    this.#goodBytes += bytes.length
    if (sync) this.#syncedBytes = this.#goodBytes
    return undefined
  }

  /** How many zeros to write behind so many bytes. */
  #roomAhead(length: number): number {
    const fits = this.#goodBytes + length <= this.#fileBytes
    return length === 0 || fits || length * ROOM_PER_APPEND > this.#roomBytes ? 0 : this.#roomBytes
  }

  /**
   * Takes a failed append back, so that the next one follows the last good byte. Only a full disk is a failure that passes: any
   * other may be that of the sync in a durable write.
   */
  async #cutBack(cause: unknown): Promise<AtollError> {
    try {
      await this.#trim()
    } catch (second) {
      return this.#fail(second)
    }
    const error = translateSystemError(cause, this.#path)
    return isAtollError(error, 'STORAGE_FULL') ? error : this.#fail(cause)
  }

  /** Cuts off what is behind the last good byte. Throws system errors. */
  async #trim(): Promise<void> {
    await this.#file.truncate(this.#goodBytes)
    this.#fileBytes = this.#goodBytes
  }

  #fail(cause: unknown): AtollError {
    const reason = cause instanceof Error ? cause.message : String(cause)
    const path = this.#path
    const failure = new AtollError('STORAGE_FAILED', `${path}: ${reason}`, { path, reason }, { cause })
    this.refuse(failure)
    return this.#failure ?? failure
  }

  get #path(): string {
    return this.#segments.at(-1)?.path ?? this.#directory
  }

  /**
   * Notes that everything up to this entry is in a data commit which a ref names durably, and lets go of segments that hold
   * nothing else. The last of a row of notes becomes durable with the next append, or with `sync`: so at most one seal is
   * done twice after a crash. Never rejects for want of the disk: a note that cannot be written is kept for `sync`, and given up
   * for the next one.
   */
  async sealed(sequence: number, commit: CommitId): Promise<void> {
    await this.#exclusively(async () => {
      // A segment begins with the latest note, and no earlier one may take its place.
      if (sequence <= (this.#unwrittenNote?.sequence ?? this.#sealedSequence)) return
      const note = { sequence, commit }
      this.#unwrittenNote = note
      const isLast = sequence === this.#lastWritten
      if ((await this.#writeNote(note, !isLast && this.#options.durability === 'sync')) !== undefined) return
      const rotateBytes = this.#options.rotateBytes ?? DEFAULT_ROTATE_BYTES
      if (this.#goodBytes > rotateBytes && (isLast || this.#goodBytes > 4 * rotateBytes)) await this.#rotate(note)
      await this.#dropSealedSegments()
    })
  }

  async #writeNote(note: SealNote, sync: boolean): Promise<AtollError | undefined> {
    const error = await this.#write(encodeSealed(note, this.#syncedBytes), sync)
    if (error !== undefined) return error
    this.#unwrittenNote = undefined
    this.#sealedSequence = note.sequence
    return undefined
  }

  /**
   * Makes every seal note durable, one that found no room before too: required before commits of others are adopted.
   * @throws STORAGE_FULL (a note is still not written), STORAGE_FAILED
   */
  async sync(): Promise<void> {
    await this.#exclusively(async () => {
      const note = this.#unwrittenNote
      const error = await (note === undefined ? this.#syncNow() : this.#writeNote(note, true))
      if (error !== undefined) throw error
    })
  }

  async #syncNow(): Promise<AtollError | undefined> {
    return this.#syncedBytes === this.#goodBytes ? this.#failure : this.#write(Buffer.alloc(0), true)
  }

  /** All that the segments hold now. @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
  async read(): Promise<JournalContent> {
    let entries: readonly JournalEntry[] = []
    await this.#exclusively(async () => {
      entries = (await readSegments(this.#directory)).entries
    })
    return { entries, sealedSequence: this.#sealedSequence }
  }

  /** Waits for the group in front and keeps those behind waiting. */
  async #exclusively(work: () => Promise<void>): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#tasks.push(() => work().then(resolve, reject))
      this.#running ??= this.#run()
    })
  }

  /**
   * Goes on in a new segment, which begins with the note. Stays in the old one where the new one cannot be made, for want of room or
   * of descriptors: only of a write or a sync that failed nobody knows what it left.
   */
  async #rotate(note: SealNote): Promise<void> {
    // A segment that is not the last ends with its last frame: no torn tail, and no zeros.
    if ((await this.#syncNow()) !== undefined) return
    try {
      if (this.#fileBytes > this.#goodBytes) {
        await this.#trim()
        await this.#file.sync()
      }
      const next = await createSegment(this.#directory, this.#lastWritten + 1, note, this.#openFile)
      const old = this.#file
      this.#file = next.file
      this.#goodBytes = next.goodBytes
      this.#fileBytes = next.goodBytes
      this.#syncedBytes = next.goodBytes
      this.#roomBytes = this.#options.roomBytes ?? DEFAULT_ROOM_BYTES
      this.#segments.push(next.segment)
      await old.close()
    } catch (error) {
      if (!isAtollError(error, 'STORAGE_FULL') && !isAtollError(error, 'NOT_ACCESSIBLE')) this.#fail(error)
    }
  }

  /** Entries of the open group have their numbers already. */
  get #lastWritten(): number {
    return this.lastSequence - (this.#open?.entryCount ?? 0)
  }

  async #dropSealedSegments(): Promise<void> {
    for (;;) {
      const [oldest, following] = this.#segments
      if (oldest === undefined || following === undefined || following.firstSequence - 1 > this.#sealedSequence) return
      // The note stays behind to say why the segment is not there.
      if ((await this.#syncNow()) !== undefined) return
      try {
        await removeSegment(oldest.path)
      } catch {
        // It is tried again with the next note.
        return
      }
      this.#segments.shift()
    }
  }

  /** Resolves when everything appended is written; the journal takes nothing afterwards. */
  async close(): Promise<void> {
    await this.idle()
    // Behind a failed sync nothing is touched. Otherwise room that cannot be given back does no harm: zeros are an end.
    if (this.#failure === undefined && this.#fileBytes > this.#goodBytes) await this.#trim().catch(() => undefined)
    this.#failure ??= new AtollError('CLOSED', 'the database is closed', { what: 'database' })
    await this.#file.close()
  }
}
