import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type Clock, type CommitId, compareClock, formatClock } from '@atolldb/core'
import { makeDirectoryDurably, onFile, writeFileDurably } from '@atolldb/git'
import type { DataDirectory } from '../directory/data-directory.ts'
import {
  decodePayload,
  encodeSealed,
  encodeSegmentHeader,
  type Frame,
  FrameBuilder,
  frameLength,
  framePayload,
  type JournalEntry,
  SEGMENT_HEADER_BYTES,
  type SealNote,
} from '../journal/frame.ts'
import { segmentPath } from '../journal/segments.ts'
import { setAside } from './set-aside.ts'

/** What the repository knows of what was sealed. */
export interface SealedHistory {
  readonly main: CommitId | undefined
  /** Seals take entries in order: every entry up to this clock is in a commit of this node. */
  readonly latestOwnClock: Clock | undefined
  /** All commits that `main` leads to, as far as they can be read. */
  readonly commits: ReadonlySet<CommitId>
}

export interface MendedJournal {
  /** Entries that are pending again. */
  readonly kept: number
  /** Sequence numbers of entries that were neither intact nor in a commit. */
  readonly lost: readonly { readonly from: number; readonly to: number }[]
}

/** A frame for this many bytes, as the journal writes them. */
const FRAME_BYTES = 1024 * 1024

/**
 * Writes the intact entries that are in no commit into a new segment, numbered on from the last, and sets the old segments
 * aside. What nobody can tell is whether entries followed the last intact one.
 *
 * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function mendJournal(directory: DataDirectory, history: SealedHistory): Promise<MendedJournal> {
  const { paths, entries, notes } = await readIntactFrames(directory.journal)
  let sealedSequence = 0
  for (const { sequence, commit } of notes)
    if (history.commits.has(commit)) sealedSequence = Math.max(sealedSequence, sequence)
  const { latestOwnClock } = history
  const isSealed = ({ sequence, clock }: JournalEntry): boolean =>
    sequence <= sealedSequence || (latestOwnClock !== undefined && compareClock(clock, latestOwnClock) <= 0)
  const pending = distinct(entries.filter(entry => !isSealed(entry)))
  const lastSequence = Math.max(
    0,
    ...entries.slice(-1).map(({ sequence }) => sequence),
    ...notes.map(note => note.sequence),
  )
  const sealed = entries.findLast(isSealed)?.sequence ?? 0
  const lost = gaps(pending, Math.max(sealedSequence, sealed))
  const segment = encodeSegment(pending, lastSequence + 1, history.main)
  for (const path of paths) await setAside(directory, path)
  await writeFileDurably(segmentPath(directory.journal, segment.firstSequence), segment.bytes)
  return { kept: pending.length, lost }
}

export interface IntactFrames {
  /** Of the segments, in order. */
  readonly paths: readonly string[]
  readonly entries: readonly JournalEntry[]
  readonly notes: readonly SealNote[]
}

/** All that is intact in a journal, in the order of its files. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function readIntactFrames(journal: string): Promise<IntactFrames> {
  await makeDirectoryDurably(journal)
  const names = (await onFile(journal, () => readdir(journal))).filter(name => name.endsWith('.log'))
  const paths = names.toSorted().map(name => join(journal, name))
  const entries: JournalEntry[] = []
  const notes: SealNote[] = []
  for (const path of paths)
    for (const frame of intactFrames(await onFile(path, () => readFile(path))))
      if (frame.type === 'sealed') notes.push(frame)
      else for (const entry of frame.entries) entries.push(entry)
  return { paths, entries, notes }
}

/** Every frame whose checksum is right, wherever it begins. */
function* intactFrames(bytes: Buffer): Generator<Frame> {
  for (let offset = SEGMENT_HEADER_BYTES; offset < bytes.length;) {
    const payload = framePayload(bytes, offset)
    if (payload === undefined) {
      offset++
      continue
    }
    yield decodePayload(payload)
    offset += frameLength(payload)
  }
}

/** A repair that was cut short leaves entries twice; each has a clock of its own. */
function distinct(entries: readonly JournalEntry[]): JournalEntry[] {
  return [...new Map(entries.map(entry => [formatClock(entry.clock), entry])).values()]
}

/** The numbers missing behind the last that is known to be sealed. */
function gaps(pending: readonly JournalEntry[], sealedSequence: number): { from: number; to: number }[] {
  const lost: { from: number; to: number }[] = []
  let next = sealedSequence + 1
  for (const { sequence } of pending) {
    if (sequence > next) lost.push({ from: next, to: sequence - 1 })
    next = sequence + 1
  }
  return lost
}

function encodeSegment(
  pending: readonly JournalEntry[],
  after: number,
  main: CommitId | undefined,
): { firstSequence: number; bytes: Buffer } {
  // Without a commit nothing was ever sealed, and a segment may begin with number 1 only.
  const firstSequence = main === undefined ? 1 : after
  const parts: Buffer[] = [encodeSegmentHeader(firstSequence)]
  if (main !== undefined) parts.push(encodeSealed({ sequence: firstSequence - 1, commit: main }, SEGMENT_HEADER_BYTES))
  let frame: FrameBuilder | undefined
  const finish = (): void => {
    if (frame !== undefined) parts.push(frame.finish(SEGMENT_HEADER_BYTES))
  }
  for (const [i, entry] of pending.entries()) {
    if (frame === undefined || frame.main !== entry.main || frame.sizeBytes > FRAME_BYTES) {
      finish()
      frame = new FrameBuilder(entry.main, firstSequence + i)
    }
    frame.add(entry.clock, entry.changes)
  }
  finish()
  return { firstSequence, bytes: Buffer.concat(parts) }
}
