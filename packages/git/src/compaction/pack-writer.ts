import { createHash } from 'node:crypto'
import { open, unlink, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import { onFile } from '../files/system-errors.ts'
import { writeFully } from '../files/write-fully.ts'
import type { ObjectType } from '../objects/object-id.ts'
import {
  encodePackHeader,
  LONGEST_BASE_DISTANCE,
  LONGEST_ENTRY_HEADER,
  writeBaseDistance,
  writeEntryHeader,
} from '../packs/pack-format.ts'

const CHUNK_BYTES = 256 * 1024

/** Writes a pack into a new file as its entries come; holds a chunk of it. */
export class PackWriter {
  readonly path: string
  readonly #file: FileHandle
  readonly #sha1 = createHash('sha1')
  readonly #head = Buffer.allocUnsafe(LONGEST_ENTRY_HEADER + LONGEST_BASE_DISTANCE)
  readonly #chunk = Buffer.allocUnsafeSlow(CHUNK_BYTES)
  #used = 0
  #flushedBytes = 0

  private constructor(path: string, file: FileHandle) {
    this.path = path
    this.#file = file
  }

  /** @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE */
  static async create(path: string, objectCount: number): Promise<PackWriter> {
    const writer = new PackWriter(path, await onFile(path, () => open(path, 'wx', 0o444)))
    await writer.#append(encodePackHeader(objectCount))
    return writer
  }

  /** Where the next entry begins. */
  get offset(): number {
    return this.#flushedBytes + this.#used
  }

  /**
   * Writes an entry; returns the CRC-32 of its bytes.
   *
   * @param size of the content or delta, inflated
   * @param baseOffset of a delta
   */
  async add(type: ObjectType, size: number, stream: Uint8Array, baseOffset?: number): Promise<number> {
    let end = writeEntryHeader(this.#head, 0, baseOffset === undefined ? type : 'ofs-delta', size)
    if (baseOffset !== undefined) end = writeBaseDistance(this.#head, end, this.offset - baseOffset)
    const head = this.#head.subarray(0, end)
    const crc = crc32(stream, crc32(head))
    if (!this.#fits(head.length + stream.length)) await this.#flush()
    await this.#append(head)
    await this.#append(stream)
    return crc
  }

  /** Ends the pack, which is durable when it resolves, but for its name. @throws STORAGE_FULL, STORAGE_FAILED */
  async finish(modified: Date): Promise<{ checksum: Buffer; sizeBytes: number }> {
    await this.#flush()
    const checksum = this.#sha1.digest()
    const sizeBytes = this.offset + checksum.length
    await onFile(this.path, async () => {
      await writeFully(this.#file, checksum)
      await this.#file.utimes(modified, modified)
      await this.#file.sync()
      await this.#file.close()
    })
    return { checksum, sizeBytes }
  }

  /** Removes what there is of it. */
  async abandon(): Promise<void> {
    // Why it was abandoned is what matters.
    await this.#file.close().catch(() => {})
    await unlink(this.path).catch(() => {})
  }

  #fits(length: number): boolean {
    return this.#used + length <= this.#chunk.length
  }

  async #append(bytes: Uint8Array): Promise<void> {
    if (this.#fits(bytes.length)) {
      this.#chunk.set(bytes, this.#used)
      this.#used += bytes.length
      return
    }
    await this.#flush()
    await this.#write(bytes)
  }

  async #flush(): Promise<void> {
    if (this.#used === 0) return
    const bytes = this.#chunk.subarray(0, this.#used)
    await this.#write(bytes)
    this.#used = 0
  }

  async #write(bytes: Uint8Array): Promise<void> {
    this.#sha1.update(bytes)
    await onFile(this.path, () => writeFully(this.#file, bytes))
    this.#flushedBytes += bytes.length
  }
}
