import { LRUCache } from 'lru-cache'
import { OpenFiles } from './open-files.ts'

const WINDOW_BYTES = 64 * 1024
const WINDOW_OVERHEAD_BYTES = 200
const OPEN_FILES = 64

/** A file whose content does not change, read anywhere. */
export interface RandomAccessFile {
  readonly path: string
  readonly sizeBytes: number
  /** Up to `length` bytes, fewer at the end of the file: a view to be read at once. Throws system errors. */
  read(position: number, length: number): Promise<Buffer>
  /** What is in memory from this position on, perhaps little: a view to be read at once. */
  atHand(position: number): Buffer | undefined
  /** Closes it until the next read. */
  release(): Promise<void>
}

/** A file that is in memory. */
export function fileInMemory(path: string, bytes: Buffer): RandomAccessFile {
  return {
    path,
    sizeBytes: bytes.length,
    read: (position, length) => Promise.resolve(bytes.subarray(position, position + length)),
    atHand: position => bytes.subarray(position),
    release: () => Promise.resolve(),
  }
}

/** Windows by number: those used most recently, and those that are being read. */
class Windows {
  readonly #kept: LRUCache<number, Buffer>
  readonly #underWay = new Map<number, Promise<Buffer>>()

  constructor(sizeBytes: number) {
    this.#kept = new LRUCache({
      maxSize: sizeBytes,
      sizeCalculation: window => window.length + WINDOW_OVERHEAD_BYTES,
    })
  }

  atHand(key: number): Buffer | undefined {
    return this.#kept.get(key)
  }

  set(key: number, window: Buffer): void {
    this.#kept.set(key, window)
  }

  /** Whoever asks while a window is being read waits for the same read: neighbours are often asked for together. */
  async get(key: number, read: () => Promise<Buffer>): Promise<Buffer> {
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    let reading = this.#underWay.get(key)
    if (reading === undefined) {
      reading = this.#read(key, read)
      this.#underWay.set(key, reading)
    }
    return reading
  }

  async #read(key: number, read: () => Promise<Buffer>): Promise<Buffer> {
    try {
      const window = await read()
      this.set(key, window)
      return window
    } finally {
      this.#underWay.delete(key)
    }
  }

  clear(): void {
    this.#kept.clear()
  }
}

/**
 * Reads files through windows of 64 KiB, of which the most recently used are kept: neighbours in a pack cost one read, and
 * memory stays bounded whatever the size of the files.
 */
export class WindowedFiles {
  readonly #files: OpenFiles
  readonly #windows: Windows
  #nextFile = 0

  /**
   * @param cacheBytes memory for windows
   * @param files what reads the files; closed with these
   */
  constructor(cacheBytes: number, files = new OpenFiles(OPEN_FILES)) {
    this.#files = files
    this.#windows = new Windows(Math.max(4 * WINDOW_BYTES, cacheBytes))
  }

  /** The file's content must not change from now on. Opens nothing yet. */
  file(path: string, sizeBytes: number): WindowedFile {
    return new WindowedFile(this.#files, this.#windows, this.#nextFile++, path, sizeBytes)
  }

  async close(): Promise<void> {
    this.#windows.clear()
    await this.#files.close()
  }
}

/** One file of {@link WindowedFiles}. */
export class WindowedFile implements RandomAccessFile {
  readonly path: string
  readonly sizeBytes: number
  readonly #files: OpenFiles
  readonly #windows: Windows
  readonly #number: number

  constructor(files: OpenFiles, windows: Windows, number: number, path: string, sizeBytes: number) {
    this.#files = files
    this.#windows = windows
    this.#number = number
    this.path = path
    this.sizeBytes = sizeBytes
  }

  /**
   * Up to `length` bytes at `position`, fewer at the end of the file: a view to be read at once, since it holds on to a
   * window. Throws system errors.
   */
  async read(position: number, length: number): Promise<Buffer> {
    const first = Math.floor(position / WINDOW_BYTES)
    const last = Math.floor((Math.min(position + length, this.sizeBytes) - 1) / WINDOW_BYTES)
    const start = position - first * WINDOW_BYTES
    if (last < first) return Buffer.alloc(0)
    if (last === first) return (await this.#window(first)).subarray(start, start + length)
    // Large objects would wash everything else out of the cache.
    if (last - first >= 4) return this.#files.read(this.path, position, Math.min(length, this.sizeBytes - position))
    const end = Math.min(position + length, this.sizeBytes)
    const bytes = Buffer.allocUnsafe(end - position)
    for (let window = first; window <= last; window++) {
      const at = window * WINDOW_BYTES
      // Only what was asked for: most reads across an edge are small, and the windows are not.
      ;(await this.#window(window)).copy(bytes, Math.max(0, at - position), Math.max(0, position - at), end - at)
    }
    return bytes
  }

  /** What is in memory from this position on, up to the edge of its window: a view to be read at once. */
  atHand(position: number): Buffer | undefined {
    const window = Math.floor(position / WINDOW_BYTES)
    return this.#windows.atHand(this.#keyOf(window))?.subarray(position - window * WINDOW_BYTES)
  }

  /** All of its content, as it was just written: kept as if it had been read where it fits one window. */
  prime(chunks: readonly Uint8Array[]): void {
    if (this.sizeBytes > 0 && this.sizeBytes <= WINDOW_BYTES) this.#windows.set(this.#keyOf(0), Buffer.concat(chunks))
  }

  /** Closes it until the next read: before it is renamed or removed. */
  async release(): Promise<void> {
    await this.#files.forget(this.path)
  }

  #window(window: number): Promise<Buffer> {
    return this.#windows.get(this.#keyOf(window), () => {
      const start = window * WINDOW_BYTES
      // Most packs of single commits are far smaller than a window.
      return this.#files.read(this.path, start, Math.min(WINDOW_BYTES, this.sizeBytes - start))
    })
  }

  #keyOf(window: number): number {
    // Files and windows have numbers below 2^27 and 2^26.
    return this.#number * 2 ** 26 + window
  }
}
