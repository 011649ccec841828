/**
 * `state/moves`: every `main` that this node had, in the order it had them; the position of one is its place in the file. A
 * seal that found nothing to change adds the same `main` again.
 *
 *     file = records of 36 bytes
 *     record = main (20 bytes), last journal sequence number that is sealed in it (u64), incarnation of the feed (u32: drawn
 *              at each start of the node), CRC-32 of these 32 bytes (u32)
 *
 * Integers are big-endian. A record is written after the ref has moved, and not synced: whoever holds a position holds its
 * `main` too, and where the two do not agree after a power loss, goes by `main`. A damaged end is cut off at open.
 */
import { type FileHandle, open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { crc32 } from 'node:zlib'
import type { CommitId, Environment } from '@atolldb/core'
import { isNotFound, onFile } from '@atolldb/git'

const RECORD_BYTES = 36
const BODY_BYTES = 32

/** One `main` that this node had. */
export interface Move {
  readonly main: CommitId
  /** The last journal entry that is sealed in it. */
  readonly sealed: number
  /** Sequence numbers are compared within one start of the node only: after a power loss, or in a backup, some are given out again. */
  readonly incarnation: number
}

/** One that no other start has, not even of a copy of the node's files, which would count as far as the node did. */
export function drawIncarnation(environment: Pick<Environment, 'randomBytes'>): number {
  // 0 is no start's.
  return Buffer.from(environment.randomBytes(4)).readUInt32BE(0) || 1
}

/** The moves of `main`. Adding one costs a small write in the background. */
export class MoveLog {
  readonly #file: string
  readonly #handle: FileHandle
  readonly #incarnation: number
  #last: Move | undefined
  #count: number
  /** Not written yet, the oldest first. */
  #unwritten: Move[] = []
  #writing: Promise<void> | undefined

  private constructor(file: string, handle: FileHandle, incarnation: number, count: number, last: Move | undefined) {
    this.#file = file
    this.#handle = handle
    this.#incarnation = incarnation
    this.#count = count
    this.#last = last
  }

  /** @throws NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED */
  static async open(stateDirectory: string, incarnation: number): Promise<MoveLog> {
    const file = join(stateDirectory, 'moves')
    return onFile(file, async () => {
      // Created where it is missing, and written at positions of our choice, which `a+` would not do.
      await (await open(file, 'a')).close()
      const handle = await open(file, 'r+')
      try {
        const { size } = await handle.stat()
        let count = Math.floor(size / RECORD_BYTES)
        let last = await readMove(handle, count - 1)
        while (count > 0 && last === undefined) last = await readMove(handle, --count - 1)
        if (size > count * RECORD_BYTES) await handle.truncate(count * RECORD_BYTES)
        return new MoveLog(file, handle, incarnation, count, last)
      } catch (error) {
        await handle.close()
        throw error
      }
    })
  }

  /** The position of the present `main`; -1 while there is none. */
  get position(): number {
    return this.#count - 1
  }

  get last(): Move | undefined {
    return this.#last
  }

  get incarnation(): number {
    return this.#incarnation
  }

  /** `main` has moved, or entries were sealed that leave it what it was: in the turn in which it becomes visible. */
  add(main: CommitId, sealed: number): void {
    if (this.#last?.main === main && this.#last.sealed === sealed) return
    this.#last = { main, sealed, incarnation: this.#incarnation }
    this.#count++
    this.#unwritten.push(this.#last)
    this.#writing ??= this.#write()
  }

  async #write(): Promise<void> {
    try {
      while (this.#unwritten.length > 0) {
        const moves = [...this.#unwritten]
        const at = (this.#count - moves.length) * RECORD_BYTES
        const records = Buffer.concat(moves.map(encodeMove))
        const { bytesWritten } = await this.#handle.write(records, 0, records.length, at)
        if (bytesWritten < records.length) return
        this.#unwritten.splice(0, moves.length)
      }
    } catch {
      // A full disk: they are kept, and written with the next one. The file is a record of what the refs say anyhow.
    } finally {
      // In the turn that found nothing left: what is added from here on is written by another call.
      this.#writing = undefined
    }
  }

  /** Resolves when what was added is written, or cannot be. */
  async settled(): Promise<void> {
    await this.#writing
  }

  /** Undefined where there is no such position, or its record is damaged. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
  async read(position: number): Promise<Move | undefined> {
    if (position === this.position) return this.#last
    const unwritten = this.#unwritten.at(position - this.#count)
    if (position < this.#count && position >= this.#count - this.#unwritten.length) return unwritten
    return onFile(this.#file, () => readMove(this.#handle, position))
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#handle.close()
  }
}

function encodeMove({ main, sealed, incarnation }: Move): Buffer {
  const record = Buffer.alloc(RECORD_BYTES)
  record.write(main, 0, 'hex')
  record.writeBigUInt64BE(BigInt(sealed), 20)
  record.writeUInt32BE(incarnation, 28)
  record.writeUInt32BE(crc32(record.subarray(0, BODY_BYTES)), BODY_BYTES)
  return record
}

async function readMove(handle: FileHandle, position: number): Promise<Move | undefined> {
  if (position < 0) return undefined
  const record = Buffer.alloc(RECORD_BYTES)
  const { bytesRead } = await handle.read(record, 0, RECORD_BYTES, position * RECORD_BYTES)
  return bytesRead === RECORD_BYTES ? decodeMove(record) : undefined
}

/** Every intact record of the file, of a node that does not run. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
export async function readMoves(stateDirectory: string): Promise<Move[]> {
  const file = join(stateDirectory, 'moves')
  const bytes = await onFile(file, async () => {
    try {
      return await readFile(file)
    } catch (error) {
      if (isNotFound(error)) return Buffer.alloc(0)
      throw error
    }
  })
  const moves: Move[] = []
  for (let at = 0; at + RECORD_BYTES <= bytes.length; at += RECORD_BYTES) {
    const move = decodeMove(bytes.subarray(at, at + RECORD_BYTES))
    if (move !== undefined) moves.push(move)
  }
  return moves
}

/** Undefined where it is damaged. */
function decodeMove(record: Buffer): Move | undefined {
  if (crc32(record.subarray(0, BODY_BYTES)) !== record.readUInt32BE(BODY_BYTES)) return undefined
  return {
    main: record.toString('hex', 0, 20) as CommitId,
    sealed: Number(record.readBigUInt64BE(20)),
    incarnation: record.readUInt32BE(28),
  }
}
