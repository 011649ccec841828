import { readFileSync, readdirSync, truncateSync, unlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { WriteAt } from '@atolldb/git'
import { openJournalFile, type JournalFile, type OpenJournalFile } from '../src/journal/segments.ts'

export type FileOperation = 'open' | 'write' | 'datasync' | 'sync' | 'truncate'

export interface Fault {
  readonly code: 'ENOSPC' | 'EIO' | 'EMFILE'
  /** For a write: so many bytes get there before it fails. */
  readonly bytes?: number
}

/**
 * Files of a journal on a disk that fails when told to, and forgets what was not synced when the power goes. What a failed sync did
 * not bring to the disk goes on to be read, and no later sync brings it there, unless it is written again.
 */
export class FaultyFiles {
  /** Asked before each operation. */
  fault: (operation: FileOperation, path: string) => Fault | undefined = () => undefined
  readonly counts = { open: 0, write: 0, datasync: 0, sync: 0, truncate: 0 }
  readonly #syncedByPath = new Map<string, Buffer>()
  /** By path, 1 for each byte that a failed sync left behind. */
  readonly #lostByPath = new Map<string, Uint8Array>()

  readonly #hasDurableWrites: boolean

  /** What is in the directory already is durable. Without `hasDurableWrites` a write and its sync are two calls. */
  constructor(directory?: string, hasDurableWrites = true) {
    this.#hasDurableWrites = hasDurableWrites
    if (directory === undefined) return
    for (const name of readdirSync(directory)) {
      const path = join(directory, name)
      this.#syncedByPath.set(path, readFileSync(path))
    }
  }

  readonly open: OpenJournalFile = async (path, flags) => {
    this.#check('open', path)
    const file = await openJournalFile(path, flags)
    return this.#wrap(file, path)
  }

  #wrap(file: JournalFile, path: string): JournalFile {
    const synced = (): void => void this.#syncedByPath.set(path, this.#reached(path))
    const check = (operation: 'datasync' | 'sync'): void => {
      const fault = this.#fault(operation, path)
      if (fault === undefined) return
      this.#lose(path)
      throw systemError(fault.code)
    }
    const write: WriteAt = async (bytes, offset, length, position) => {
      const fault = this.#fault('write', path)
      if (fault === undefined) {
        this.#lostByPath.get(path)?.fill(0, position ?? 0, (position ?? 0) + (length ?? 0))
        return file.write(bytes, offset, length, position)
      }
      if ((fault.bytes ?? 0) > 0) await file.write(bytes, offset, Math.min(fault.bytes ?? 0, length), position)
      throw systemError(fault.code)
    }
    const datasync = async (): Promise<void> => {
      check('datasync')
      await file.datasync()
      synced()
    }
    const writeDurably: WriteAt = async (bytes, offset, length, position) => {
      const written = await write(bytes, offset, length, position)
      await datasync()
      return written
    }
    return {
      write,
      writeDurably: this.#hasDurableWrites ? writeDurably : undefined,
      datasync,
      sync: async () => {
        check('sync')
        await file.sync()
        synced()
      },
      truncate: async length => {
        this.#check('truncate', path)
        await file.truncate(length)
      },
      close: () => file.close(),
    }
  }

  /** What a sync brings to the disk. */
  #reached(path: string): Buffer {
    const now = readFileSync(path)
    const before = this.#syncedByPath.get(path)
    const lost = this.#lostByPath.get(path)
    for (let at = lost?.indexOf(1) ?? -1; at >= 0 && at < now.length; at = lost!.indexOf(1, at + 1))
      now[at] = before?.[at] ?? 0
    return now
  }

  #lose(path: string): void {
    const now = readFileSync(path)
    const before = this.#syncedByPath.get(path)
    this.#lostByPath.set(
      path,
      Uint8Array.from(now, (byte, at) => Number(byte !== before?.[at])),
    )
  }

  #fault(operation: FileOperation, path: string): Fault | undefined {
    this.counts[operation]++
    return this.fault(operation, path)
  }

  #check(operation: FileOperation, path: string): void {
    const fault = this.#fault(operation, path)
    if (fault !== undefined) throw systemError(fault.code)
  }

  /**
   * The power goes: of what was written since the last sync of a file some sectors are there, others are zeros or what was
   * there before, the end may be missing, and what was cut off may be back. `random` gives numbers in [0, 1). Where the directory is a copy, `original` is
   * what it is a copy of.
   */
  losePower(directory: string, random: () => number, original = directory): void {
    for (const name of readdirSync(directory).filter(each => each.endsWith('.log'))) {
      const path = join(directory, name)
      const now = readFileSync(path)
      const before = this.#syncedByPath.get(join(original, name))
      if (before === undefined) {
        unlinkSync(path)
        continue
      }
      const synced = before.subarray(0, now.length)
      // Nothing but zeros is ever cut off once it was synced.
      const cutOffBytes = random() < 0.5 ? 0 : before.length - synced.length
      const kept = Buffer.concat([now], now.length + cutOffBytes)
      for (let at = 0; at < now.length; at += SECTOR_BYTES) {
        const end = Math.min(at + SECTOR_BYTES, now.length)
        if (synced.subarray(at, end).equals(kept.subarray(at, end)) || random() < 0.5) continue
        kept.fill(0, at, end)
        if (at < synced.length) synced.copy(kept, at, at, end)
      }
      writeFileSync(path, kept)
      if (now.length > synced.length && random() < 0.5)
        truncateSync(path, synced.length + Math.floor(random() * (now.length - synced.length)))
    }
  }
}

const SECTOR_BYTES = 512

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code, errno: -1 })
}
