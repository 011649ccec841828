/**
 * The change lists of the latest commits, so that a merge need not read them out of trees. Derived: any of it may be deleted at
 * any time, and what is not there is computed. Nothing is synced.
 *
 *     changes/<8 digits>.log   frames; the newest files are kept
 *     frame = u32 LE length of the rest after the checksum, u32 LE CRC-32 of that rest, 20 bytes commit, change list
 *
 * (The list: see change-list-format.ts.) A file ends at its first frame that is not whole, and a process begins a new one.
 */
import { mkdir, open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { ChangeList, CommitId, KeptChangeLists } from '@atolldb/core'
import { Mutex } from '../scheduling/mutex.ts'
import { decodeChangeList, encodeChangeList } from './change-list-format.ts'

const HEADER_BYTES = 8
const COMMIT_BYTES = 20
/** Of a file that is looked through. */
const PART_BYTES = 64 * 1024
/** The largest commit of a List may be beyond that: its trees tell its changes. */
const MAX_LIST_BYTES = 4 * 1024 * 1024

export interface ChangeLogLimits {
  /** A file that is longer gets no more. */
  readonly fileBytes: number
  readonly files: number
}

const DEFAULT_LIMITS: ChangeLogLimits = { fileBytes: 8 * 1024 * 1024, files: 8 }

interface Place {
  readonly file: number
  readonly start: number
  readonly end: number
}

/** One at a time has it open: the lock of the data directory must be held. */
export class ChangeLog implements KeptChangeLists {
  readonly #path: string
  readonly #limits: ChangeLogLimits
  readonly #mutex = new Mutex()
  #places: Map<CommitId, Place> | undefined
  #files: number[] = []
  /** Length of the file that this process writes; undefined before it has one. */
  #length: number | undefined
  #hasFailed = false

  constructor(path: string, limits = DEFAULT_LIMITS) {
    this.#path = path
    this.#limits = limits
  }

  /** Keeps the list of a commit. It does not wait for the disk, and a disk that fails ends the keeping: it is only a cache. */
  note(commit: CommitId, list: ChangeList): void {
    if (this.#hasFailed) return
    const encoded = encodeChangeList(list, MAX_LIST_BYTES)
    if (encoded === undefined) return
    void this.#mutex.run(() => this.#unlessFailing(undefined, () => this.#append(commit, encoded)))
  }

  /** Undefined: it is not kept, or damaged. */
  read(commit: CommitId): Promise<ChangeList | undefined> {
    return this.#mutex.run(() =>
      this.#unlessFailing(undefined, async () => {
        const place = (await this.#load()).get(commit)
        if (place === undefined) return undefined
        const frame = await readSlice(this.#pathOf(place.file), place.start, place.end)
        return isWhole(frame) ? decodeChangeList(frame.subarray(HEADER_BYTES + COMMIT_BYTES)) : undefined
      }),
    )
  }

  /** Resolves when what was noted is in its file. */
  async close(): Promise<void> {
    await this.#mutex.run(async () => undefined)
  }

  /** What fails once is not tried again until the next open, nor told: all of it is in the trees, and only speed is lost. */
  async #unlessFailing<Result>(otherwise: Result, work: () => Promise<Result>): Promise<Result> {
    if (this.#hasFailed) return otherwise
    try {
      return await work()
    } catch {
      this.#hasFailed = true
      return otherwise
    }
  }

  async #append(commit: CommitId, encoded: Buffer): Promise<void> {
    const places = await this.#load()
    if (this.#length === undefined || this.#length >= this.#limits.fileBytes) await this.#begin(places)
    const frame = Buffer.allocUnsafe(HEADER_BYTES + COMMIT_BYTES + encoded.length)
    frame.write(commit, HEADER_BYTES, 'hex')
    encoded.copy(frame, HEADER_BYTES + COMMIT_BYTES)
    frame.writeUInt32LE(frame.length - HEADER_BYTES, 0)
    frame.writeUInt32LE(crc32(frame.subarray(HEADER_BYTES)), 4)
    const file = this.#files.at(-1)!
    const handle = await open(this.#pathOf(file), 'a')
    try {
      await handle.writeFile(frame)
    } finally {
      await handle.close()
    }
    const start = this.#length!
    this.#length = start + frame.length
    places.set(commit, { file, start, end: this.#length })
  }

  async #begin(places: Map<CommitId, Place>): Promise<void> {
    this.#files.push((this.#files.at(-1) ?? 0) + 1)
    this.#length = 0
    while (this.#files.length > this.#limits.files) {
      const oldest = this.#files.shift()!
      await unlink(this.#pathOf(oldest))
      for (const [commit, { file }] of places) if (file === oldest) places.delete(commit)
    }
  }

  /** Where each list lies: read at first need, so that an open does not wait for it. */
  async #load(): Promise<Map<CommitId, Place>> {
    if (this.#places !== undefined) return this.#places
    await mkdir(this.#path, { recursive: true })
    const names = (await readdir(this.#path)).filter(name => /^\d{8}\.log$/.test(name)).sort()
    this.#files = names.map(name => Number.parseInt(name, 10))
    const places = new Map<CommitId, Place>()
    for (const file of this.#files)
      for await (const [commit, place] of placesIn(this.#pathOf(file), file)) places.set(commit, place)
    return (this.#places = places)
  }

  #pathOf(file: number): string {
    return join(this.#path, `${String(file).padStart(8, '0')}.log`)
  }
}

/** Finds the frames by their lengths, a part of the file in memory at a time. Throws system errors. */
async function* placesIn(path: string, file: number): AsyncGenerator<[CommitId, Place]> {
  const handle = await open(path, 'r')
  try {
    const { size } = await handle.stat()
    const part = Buffer.allocUnsafeSlow(Math.min(PART_BYTES, size))
    let [partStart, partEnd] = [0, 0]
    for (let start = 0; start + HEADER_BYTES + COMMIT_BYTES <= size;) {
      const idEnd = start + HEADER_BYTES + COMMIT_BYTES
      if (idEnd > partEnd) {
        const { bytesRead } = await handle.read(part, 0, part.length, start)
        partStart = start
        partEnd = start + bytesRead
        if (idEnd > partEnd) return
      }
      const at = start - partStart
      const end = start + HEADER_BYTES + part.readUInt32LE(at)
      if (end < idEnd || end > size) return
      const commit = part.toString('hex', at + HEADER_BYTES, idEnd - partStart) as CommitId
      yield [commit, { file, start, end }]
      start = end
    }
  } finally {
    await handle.close()
  }
}

/** Checked when it is read: a length that is wrong leads to bytes that are. */
function isWhole(frame: Buffer): boolean {
  return frame.length >= HEADER_BYTES + COMMIT_BYTES && frame.readUInt32LE(4) === crc32(frame.subarray(HEADER_BYTES))
}

async function readSlice(path: string, start: number, end: number): Promise<Buffer> {
  const handle = await open(path, 'r')
  try {
    const slice = Buffer.allocUnsafe(end - start)
    const { bytesRead } = await handle.read(slice, 0, slice.length, start)
    return slice.subarray(0, bytesRead)
  } finally {
    await handle.close()
  }
}
