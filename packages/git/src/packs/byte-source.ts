import { createHash } from 'node:crypto'
import { mkdir, open, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import { crc32 } from 'node:zlib'
import { onFile } from '../files/system-errors.ts'
import { writeFully } from '../files/write-fully.ts'
import { MalformedObject } from '../objects/malformed-object.ts'

/** Less than this needs no file: making a directory, a file and their names durable would take longer than all else. */
const WRITE_BYTES = 128 * 1024

/**
 * Bytes of a stranger on their way into a file, or into memory where they are few: a window that the reader asks to be filled
 * and takes from, while all that is taken is hashed and written. Holds no more than was asked for, the chunk in hand and what
 * waits to be written.
 */
export class ByteSource {
  readonly #source: AsyncIterator<Uint8Array>
  #file: FileHandle | undefined
  readonly #path: string
  readonly #limit: number
  readonly #sha1 = createHash('sha1')
  #received = 0
  #ended = false
  #window = Buffer.alloc(0)
  #at = 0
  #unwritten: Uint8Array[] = []
  #unwrittenBytes = 0
  /** Where the next byte lies in the file. */
  offset = 0

  /** @param path where the file is created, in a directory of its own, once there is enough to write */
  constructor(source: AsyncIterable<Uint8Array>, path: string, limit: number) {
    this.#source = source[Symbol.asyncIterator]()
    this.#path = path
    this.#limit = limit
  }

  /** Tries to have this many bytes in the window; fewer are there only if the source has ended. */
  async fill(length: number): Promise<void> {
    if (this.#window.length - this.#at >= length || this.#ended) return
    const parts: Uint8Array[] = [this.#window.subarray(this.#at)]
    let available = parts[0]!.length
    while (available < length) {
      const next = await this.#source.next()
      if (next.done === true) {
        this.#ended = true
        break
      }
      this.#received += next.value.length
      if (this.#received > this.#limit) throw new MalformedObject('a pack larger than allowed')
      if (next.value.length === 0) continue
      // A copy, since the source may use its buffer again.
      const bytes = Buffer.from(next.value)
      parts.push(bytes)
      available += bytes.length
      await this.#write(bytes)
    }
    this.#window = Buffer.concat(parts, available)
    this.#at = 0
  }

  /** The window and where in it the next byte lies. What is read of it must not be kept beyond the next `fill`. */
  get window(): { readonly bytes: Buffer; readonly at: number } {
    return { bytes: this.#window, at: this.#at }
  }

  /** Moves on to this place of the window. Returns the CRC-32 of what was passed. */
  takeTo(at: number): number {
    const taken = this.#window.subarray(this.#at, at)
    this.#sha1.update(taken)
    this.offset += taken.length
    this.#at = at
    return crc32(taken)
  }

  /** Takes the checksum of all that was taken, and the end. @throws MalformedObject */
  async takeChecksum(): Promise<Buffer> {
    const checksum = this.#sha1.digest()
    await this.fill(checksum.length + 1)
    const rest = this.#window.subarray(this.#at)
    if (rest.length < checksum.length) throw new MalformedObject('a truncated pack')
    if (rest.length > checksum.length) throw new MalformedObject('bytes after the pack')
    if (!rest.equals(checksum)) throw new MalformedObject('a pack whose checksum is wrong')
    this.offset += checksum.length
    return checksum
  }

  /** All the bytes where they are few; else the rest is written, and the file closed: not durable. */
  async finish(): Promise<Buffer | undefined> {
    if (this.#file === undefined) return Buffer.concat(this.#unwritten, this.#unwrittenBytes)
    await this.#flush()
    await onFile(this.#path, async () => this.#file?.close())
    return undefined
  }

  /** Ends the source and closes the file after a failure. */
  async abandon(): Promise<void> {
    // Neither may hide why it was abandoned, nor wait for a source that never answers.
    if (!this.#ended) void this.#source.return?.().then(undefined, () => {})
    await this.#file?.close().catch(() => {})
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#unwritten.push(bytes)
    this.#unwrittenBytes += bytes.length
    if (this.#unwrittenBytes >= WRITE_BYTES) await this.#flush()
  }

  async #flush(): Promise<void> {
    const bytes = Buffer.concat(this.#unwritten, this.#unwrittenBytes)
    this.#unwritten = []
    this.#unwrittenBytes = 0
    await onFile(this.#path, async () => {
      this.#file ??= await createFile(this.#path)
      await writeFully(this.#file, bytes)
    })
  }
}

async function createFile(path: string): Promise<FileHandle> {
  await mkdir(dirname(path))
  return open(path, 'wx', 0o444)
}
