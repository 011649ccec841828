import fs, { constants } from 'node:fs'
import { readdir, readFile, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { assert, AtollError, type CommitId, corrupt } from '@atolldb/core'
import {
  changeDirectory,
  isNotFound,
  onFile,
  syncDirectory,
  translateSystemError,
  type WriteAt,
  writeFully,
} from '@atolldb/git'
import { encodeSealed, encodeSegmentHeader, type JournalEntry, type SealNote } from './frame.ts'
import { recoverSegment, type RecoveredSegment } from './recovery.ts'

export interface Segment {
  readonly path: string
  readonly firstSequence: number
}

/** What the journal asks of a file; tests hand in one that fails. */
export interface JournalFile {
  write: WriteAt
  /**
   * Writes, and resolves when the written bytes are durable: one trip through the thread pool in place of the two of `write` and
   * `datasync`. Undefined where the system has no such write.
   */
  readonly writeDurably: WriteAt | undefined
  datasync(): Promise<void>
  sync(): Promise<void>
  truncate(length: number): Promise<void>
  close(): Promise<void>
}

/**
 * Is that commit in the repository? Where it is not, the repository was put back to an older copy, and a note that names the
 * commit says nothing any more.
 */
export type HasCommit = (commit: CommitId) => Promise<boolean>

/** Opens a file to read and write, with the flags of open(2). */
export type OpenJournalFile = (path: string, flags: number) => Promise<JournalFile>

/** Plain descriptors with callbacks: a file handle of `fs/promises` takes a fifth longer for a small append and its sync. */
export const openJournalFile: OpenJournalFile = async (path, flags) => {
  const descriptor = await openDescriptor(path, flags, 0o644)
  const durable = hasDurableWrites ? await openDurable(path, descriptor) : undefined
  return {
    write: (bytes, offset, length, position) => write(descriptor, bytes, offset, length, position),
    writeDurably:
      durable === undefined
        ? undefined
        : (bytes, offset, length, position) => write(durable, bytes, offset, length, position),
    datasync: () => fdatasync(descriptor),
    sync: () => fsync(descriptor),
    truncate: length => ftruncate(descriptor, length),
    async close() {
      if (durable !== undefined) await close(durable)
      await close(descriptor)
    },
  }
}

/** Linux promises of an `O_DSYNC` write what it promises of `fdatasync`; elsewhere the flag may mean less, or nothing. */
const hasDurableWrites = process.platform === 'linux'

/** A second descriptor of the file: what need not be durable at once goes through the first. */
async function openDurable(path: string, opened: number): Promise<number> {
  try {
    return await openDescriptor(path, constants.O_RDWR | constants.O_DSYNC)
  } catch (error) {
    await close(opened)
    throw error
  }
}

const openDescriptor = promisify(fs.open)
const write = promisify(fs.write)
const fdatasync = promisify(fs.fdatasync)
const fsync = promisify(fs.fsync)
const ftruncate = promisify(fs.ftruncate)
const close = promisify(fs.close)

export interface OpenedSegments {
  readonly segments: Segment[]
  /** The newest segment's. */
  readonly file: JournalFile
  readonly goodBytes: number
  readonly nextSequence: number
  readonly sealedSequence: number
  /** All that the segments hold, sealed or not. */
  readonly entries: readonly JournalEntry[]
}

/**
 * Reads the segments of a directory, and makes it ready for the next append: zeros and a torn tail are cut off, and all that is
 * left is durable. Behind what was durable for sure it is written anew: where a sync failed in the process before, the system may
 * show bytes that the disk does not have, and take another sync of them for done.
 * @throws CORRUPT (nothing was changed then), NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED
 */
export async function openSegments(
  directory: string,
  openFile: OpenJournalFile,
  hasCommit?: HasCommit,
): Promise<OpenedSegments> {
  const { unfinished, doubtful, ...read } = await readSegments(directory, hasCommit)
  // The directory is synced below: should one be back after a power loss, the segment before it may have room behind its frames by then.
  for (const path of unfinished) await onFile(path, () => unlink(path))
  const newest = read.segments.at(-1)
  if (newest === undefined) {
    const { segment, file, goodBytes } = await createSegment(directory, 1, undefined, openFile)
    return { ...read, segments: [segment], file, goodBytes, nextSequence: 1 }
  }
  const file = await onFile(newest.path, async () => {
    const opened = await openFile(newest.path, constants.O_RDWR)
    try {
      await opened.truncate(read.goodBytes)
      await writeFully(opened, doubtful, read.goodBytes - doubtful.length)
      await opened.sync()
      await syncDirectory(directory)
    } catch (error) {
      await opened.close()
      throw error
    }
    return opened
  })
  return { ...read, file }
}

interface ReadSegments {
  readonly segments: Segment[]
  /** Files that were not created to their end. */
  readonly unfinished: readonly string[]
  readonly goodBytes: number
  /** The end of that which no frame behind it knew to be durable. */
  readonly doubtful: Buffer
  readonly nextSequence: number
  readonly sealedSequence: number
  readonly entries: readonly JournalEntry[]
}

/** Changes nothing. Without `hasCommit` every note is believed. @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
export async function readSegments(directory: string, hasCommit: HasCommit = async () => true): Promise<ReadSegments> {
  const names = await onFile(directory, () => readdir(directory))
  const paths = names
    .filter(name => name.endsWith('.log'))
    .toSorted()
    .map(name => join(directory, name))
  const segments: Segment[] = []
  const unfinished: string[] = []
  const entries: JournalEntry[] = []
  let nextSequence: number | undefined
  const notes: SealNote[] = []
  let last: RecoveredSegment | undefined
  let doubtful: Buffer = Buffer.alloc(0)
  for (const [index, path] of paths.entries()) {
    const bytes = await onFile(path, () => readFile(path))
    const segment = recoverSegment(path, bytes, { isFirst: index === 0, isLast: index === paths.length - 1 })
    if (segment === undefined) {
      unfinished.push(path)
      continue
    }
    if (nextSequence !== undefined && segment.firstSequence !== nextSequence) throw gap(path, nextSequence)
    for (const entry of segment.entries) entries.push(entry)
    for (const note of segment.sealed) notes.push(note)
    nextSequence = segment.firstSequence + segment.entries.length
    segments.push({ path, firstSequence: segment.firstSequence })
    last = segment
    doubtful = bytes.subarray(segment.vouchedBytes, segment.goodBytes)
  }
  const first = segments[0]
  const goneSequence = (first?.firstSequence ?? 1) - 1
  const notedSequence = await sealedSequenceOf(notes, async () => true)
  if (first !== undefined && goneSequence > notedSequence) throw gap(first.path, notedSequence + 1)
  return {
    segments,
    unfinished,
    goodBytes: last?.goodBytes ?? 0,
    doubtful,
    nextSequence: nextSequence ?? 1,
    // Entries whose segment is gone can be pending no more.
    sealedSequence: Math.max(goneSequence, await sealedSequenceOf(notes, hasCommit)),
    entries,
  }
}

async function sealedSequenceOf(notes: readonly SealNote[], hasCommit: HasCommit): Promise<number> {
  for (const { sequence, commit } of notes.toSorted((a, b) => b.sequence - a.sequence))
    if (await hasCommit(commit)) return sequence
  return 0
}

/**
 * Creates a segment that begins with `firstSequence`, and with the note that says why what came before may go; durable when it
 * resolves, and not there when it fails.
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function createSegment(
  directory: string,
  firstSequence: number,
  note: SealNote | undefined,
  openFile: OpenJournalFile,
): Promise<{ segment: Segment; file: JournalFile; goodBytes: number }> {
  const path = segmentPath(directory, firstSequence)
  const header = encodeSegmentHeader(firstSequence)
  const bytes = note === undefined ? header : Buffer.concat([header, encodeSealed(note, 0)])
  let file: JournalFile | undefined
  let failure: Error | undefined
  try {
    await changeDirectory(directory, async () => {
      try {
        file = await openFile(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC)
        await writeFully(file, bytes, 0)
        await file.sync()
      } catch (error) {
        failure = error instanceof Error ? error : new Error(String(error))
        // Durably: one that is back after a power loss, or was never whole, would be the newest, and the one before it goes on.
        await removeUnfinished(path)
      }
    })
    if (failure !== undefined) throw failure
  } catch (error) {
    await file?.close()
    throw translateSystemError(error, path)
  }
  assert(file !== undefined, 'it was opened')
  return { segment: { path, firstSequence }, file, goodBytes: bytes.length }
}

/** @throws STORAGE_FAILED */
async function removeUnfinished(path: string): Promise<void> {
  try {
    await removeSegment(path)
  } catch (cause) {
    const reason = `what was begun cannot be removed: ${cause instanceof Error ? cause.message : String(cause)}`
    throw new AtollError('STORAGE_FAILED', `${path}: ${reason}`, { path, reason }, { cause })
  }
}

export function segmentPath(directory: string, firstSequence: number): string {
  return join(directory, `${String(firstSequence).padStart(16, '0')}.log`)
}

/** One that is gone is fine. */
export async function removeSegment(path: string): Promise<void> {
  await unlink(path).catch((error: unknown) => {
    if (!isNotFound(error)) throw error
  })
}

function gap(path: string, expected: number): AtollError<'CORRUPT'> {
  return corrupt(path, `entry ${expected} should come first: a segment before it is missing`)
}
