import { open, rename, unlink, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { AtollError } from '@atolldb/core'
import { changeDirectory, makeDirectoryDurably } from '../files/durable-files.ts'
import { onFile, systemErrorCode } from '../files/system-errors.ts'
import { writeFully } from '../files/write-fully.ts'

const PATIENCE_MS = 2000
const LONGEST_PAUSE_MS = 50

/**
 * git's lock on a file: `<file>.lock`, created exclusively, becomes the new file or is removed (git: lockfile.h). Stock git
 * and other users in this process keep to it.
 */
export class RefLock {
  readonly #path: string
  readonly #handle: FileHandle
  #open = true

  private constructor(path: string, handle: FileHandle) {
    this.#path = path
    this.#handle = handle
  }

  /**
   * Waits up to two seconds for another holder.
   *
   * @throws UNAVAILABLE (held by another), CONFLICT (a ref stands where a directory is needed), STORAGE_FULL,
   * STORAGE_FAILED, NOT_ACCESSIBLE
   */
  static async take(path: string): Promise<RefLock> {
    const deadline = performance.now() + PATIENCE_MS
    for (let pauseMs = 1; ; pauseMs = Math.min(LONGEST_PAUSE_MS, pauseMs * 2)) {
      const code = await RefLock.#try(path)
      if (code instanceof RefLock) return code
      if (code === 'ENOENT') await makeDirectory(dirname(path))
      else if (performance.now() > deadline) {
        const reason = `${path}.lock is held by another process`
        throw new AtollError('UNAVAILABLE', reason, { what: path, reason })
      } else await setTimeout(pauseMs)
    }
  }

  static async #try(path: string): Promise<RefLock | 'EEXIST' | 'ENOENT'> {
    return onFile(path, async () => {
      try {
        return new RefLock(path, await open(`${path}.lock`, 'wx'))
      } catch (error) {
        const code = systemErrorCode(error)
        if (code === 'EEXIST' || code === 'ENOENT') return code
        if (code === 'ENOTDIR') throw inTheWay(path)
        throw error
      }
    })
  }

  /** Makes the content durable beside the file, which stays as it is, and is written no more. @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE */
  async write(content: string): Promise<void> {
    await onFile(this.#path, async () => {
      await writeFully(this.#handle, Buffer.from(content))
      await this.#handle.sync()
      await this.#handle.close()
    })
  }

  /**
   * Puts what was written in the file's place, once `objects` has resolved, and ends the lock. The file holds the old content or the
   * new at every instant, the new one durably when it resolves.
   *
   * @throws what `objects` failed with; STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE, CONFLICT (a directory of refs stands there)
   */
  async commit(objects: Promise<unknown> = Promise.resolve()): Promise<void> {
    await changeDirectory(dirname(this.#path), async () => {
      await objects
      this.#open = false
      await onFile(this.#path, () => this.#rename())
    })
  }

  /** Ends the lock without a change; after `commit` it does nothing. */
  async release(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    // Nothing that it holds was promised to anybody; left behind, it would be in everybody's way.
    await this.#handle.close().catch(() => {})
    await unlink(`${this.#path}.lock`).catch(() => {})
  }

  async #rename(): Promise<void> {
    try {
      await rename(`${this.#path}.lock`, this.#path)
    } catch (error) {
      await unlink(`${this.#path}.lock`).catch(() => {})
      const code = systemErrorCode(error)
      if (code === 'EISDIR' || code === 'ENOTEMPTY' || code === 'EEXIST') throw inTheWay(this.#path)
      throw error
    }
  }
}

async function makeDirectory(path: string): Promise<void> {
  try {
    await makeDirectoryDurably(path)
  } catch (error) {
    const code = error instanceof AtollError ? systemErrorCode(error.cause) : undefined
    if (code === 'ENOTDIR' || code === 'EEXIST') throw inTheWay(path)
    throw error
  }
}

function inTheWay(path: string): AtollError<'CONFLICT'> {
  return new AtollError('CONFLICT', `${path}: another ref is in the way`, { what: path })
}
