import { open, type FileHandle } from 'node:fs/promises'
import { AtollError } from '@atolldb/core'

interface OpenFile {
  readonly handle: Promise<FileHandle>
  users: number
  forgotten: boolean
}

/**
 * Keeps the most recently used files open for reading, so that a repository of a thousand packs does not need a thousand
 * descriptors. More than `capacity` are open only while more than that are read at once.
 */
export class OpenFiles {
  readonly #capacity: number
  // Oldest use first.
  readonly #fileByPath = new Map<string, OpenFile>()
  #closed = false

  constructor(capacity: number) {
    this.#capacity = capacity
  }

  /** Reads up to `length` bytes at `position`; fewer only at the end of the file. @throws CLOSED; or system errors */
  async read(path: string, position: number, length: number): Promise<Buffer> {
    if (this.#closed) throw new AtollError('CLOSED', `${path}: its reader is closed`, { what: path })
    const file = this.#use(path)
    try {
      const handle = await file.handle
      const bytes = Buffer.allocUnsafeSlow(length)
      let filled = 0
      while (filled < length) {
        const { bytesRead } = await handle.read(bytes, filled, length - filled, position + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return filled === length ? bytes : bytes.subarray(0, filled)
    } finally {
      file.users--
      if (file.forgotten && file.users === 0) await closeFile(file)
      else await this.#closeIdle()
    }
  }

  /** Forgets a file that is about to be renamed or removed. Reads under way end well. */
  async forget(path: string): Promise<void> {
    const file = this.#fileByPath.get(path)
    if (file === undefined) return
    this.#fileByPath.delete(path)
    file.forgotten = true
    if (file.users === 0) await closeFile(file)
  }

  /** Closes all; nothing may be read any more. */
  async close(): Promise<void> {
    this.#closed = true
    const files = [...this.#fileByPath.values()]
    this.#fileByPath.clear()
    await Promise.all(files.map(closeFile))
  }

  #use(path: string): OpenFile {
    let file = this.#fileByPath.get(path)
    if (file === undefined) {
      const opened: OpenFile = { handle: open(path, 'r'), users: 0, forgotten: false }
      // A failed opening is told to everyone who waits for it, and tried again by the next.
      opened.handle.catch(() => {
        if (this.#fileByPath.get(path) === opened) this.#fileByPath.delete(path)
      })
      file = opened
    } else this.#fileByPath.delete(path)
    this.#fileByPath.set(path, file)
    file.users++
    return file
  }

  async #closeIdle(): Promise<void> {
    if (this.#fileByPath.size <= this.#capacity) return
    for (const [path, file] of this.#fileByPath) {
      if (this.#fileByPath.size <= this.#capacity) return
      if (file.users > 0) continue
      this.#fileByPath.delete(path)
      await closeFile(file)
    }
  }
}

async function closeFile({ handle }: OpenFile): Promise<void> {
  try {
    await (await handle).close()
  } catch {
    // It was open for reading: there is nothing to lose.
  }
}
