import { open, type FileHandle } from 'node:fs/promises'
import { crc32 } from 'node:zlib'
import type { ObjectId } from '@atolldb/core'
import { MalformedObject } from '../objects/malformed-object.ts'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { isStored } from '../packs/stored-deflate.ts'
import {
  CHECKSUM_BYTES,
  LONGEST_BASE_DISTANCE,
  LONGEST_ENTRY_HEADER,
  PACK_HEADER_BYTES,
  parseBaseDistance,
  parseEntryHeader,
  parsePackHeader,
} from '../packs/pack-format.ts'
import type { PackFile } from '../packs/pack-file.ts'
import { entryForms, objectTypes, type ObjectTable } from './object-table.ts'
import type { Pace } from './pace.ts'
import { readSourceIndex, type SourceIndex } from './source-index.ts'

const WINDOW_BYTES = 1024 * 1024
/** Of files that fit a window so many bytes are kept, to be read once only. */
const KEPT_BYTES = 4 * 1024 * 1024
const HEADER_READ_BYTES = LONGEST_ENTRY_HEADER + OBJECT_ID_BYTES + LONGEST_BASE_DISTANCE

/** Reads a file from its beginning to its end, a window at a time. */
class SequentialFile {
  readonly #handle: FileHandle | undefined
  readonly #sizeBytes: number
  #window: Buffer
  #windowAt = 0

  constructor(handle: FileHandle | undefined, sizeBytes: number, window: Buffer) {
    this.#handle = handle
    this.#sizeBytes = sizeBytes
    this.#window = window
  }

  /** The bytes there if the window has them: a view that is good until the next `load`. */
  inWindow(offset: number, length: number): Buffer | undefined {
    const start = offset - this.#windowAt
    return start >= 0 && start + length <= this.#window.length
      ? this.#window.subarray(start, start + length)
      : undefined
  }

  /** Moves the window, which then has these bytes unless the file ends before. Throws system errors. */
  async load(offset: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(Math.min(this.#sizeBytes - offset, Math.max(WINDOW_BYTES, length)))
    let filled = 0
    while (this.#handle !== undefined && filled < bytes.length) {
      const { bytesRead } = await this.#handle.read(bytes, filled, bytes.length - filled, offset + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    this.#window = bytes.subarray(0, filled)
    this.#windowAt = offset
    return this.#window.subarray(0, length)
  }

  /** All of it, if it is in the window. */
  get whole(): Buffer | undefined {
    return this.#windowAt === 0 && this.#window.length === this.#sizeBytes ? this.#window : undefined
  }

  async close(): Promise<void> {
    await this.#handle?.close()
  }
}

/** The files of the packs that are merged. */
export class SourceFiles {
  readonly packs: readonly PackFile[]
  readonly #wholes = new Map<number, Buffer>()
  #keptBytes = 0

  /** @param packs by number of the source */
  constructor(packs: readonly PackFile[]) {
    this.packs = packs
  }

  /** All of a small file that was read before. */
  whole(source: number): Buffer | undefined {
    return this.#wholes.get(source)
  }

  /** Throws system errors. */
  async open(source: number): Promise<SequentialFile> {
    const { path, sizeBytes } = this.packs[source]!.file
    const whole = this.#wholes.get(source)
    if (whole !== undefined) return new SequentialFile(undefined, sizeBytes, whole)
    return new SequentialFile(await open(path, 'r'), sizeBytes, Buffer.alloc(0))
  }

  keep(source: number, file: SequentialFile): void {
    const { whole } = file
    if (whole === undefined || this.#keptBytes + whole.length > KEPT_BYTES) return
    this.#keptBytes += whole.length
    this.#wholes.set(source, whole)
  }
}

/**
 * Takes the objects of a pack into the table, those it has already excepted. Looks at headers only. Returns whether there
 * are objects that were never compressed.
 *
 * @throws MalformedObject; system errors; ABORTED
 */
export async function scanSource(
  files: SourceFiles,
  source: number,
  table: ObjectTable,
  pace: Pace,
): Promise<{ isFresh: boolean; commits: number }> {
  const pack = files.packs[source]!
  const index = await readSourceIndex(pack, pace)
  const file = await files.open(source)
  try {
    await checkEnds(file, index, pack.file.sizeBytes)
    files.keep(source, file)
    return await new SourceScan(pack, source, table, index, file).run(pace)
  } finally {
    await file.close()
  }
}

async function checkEnds(file: SequentialFile, index: SourceIndex, sizeBytes: number): Promise<void> {
  const count = parsePackHeader(await file.load(0, PACK_HEADER_BYTES))
  const trailerAt = sizeBytes - CHECKSUM_BYTES
  const trailer = file.inWindow(trailerAt, CHECKSUM_BYTES) ?? (await file.load(trailerAt, CHECKSUM_BYTES))
  if (count !== index.count || trailer.compare(index.packChecksum) !== 0)
    throw new MalformedObject('a pack that is not the one of its index')
}

class SourceScan {
  readonly #pack: PackFile
  readonly #source: number
  readonly #table: ObjectTable
  readonly #index: SourceIndex
  readonly #file: SequentialFile
  /** By place in the pack. */
  readonly #numbers: Int32Array

  constructor(pack: PackFile, source: number, table: ObjectTable, index: SourceIndex, file: SequentialFile) {
    this.#pack = pack
    this.#source = source
    this.#table = table
    this.#index = index
    this.#file = file
    this.#numbers = new Int32Array(index.count)
  }

  async run(pace: Pace): Promise<{ isFresh: boolean; commits: number }> {
    let isFresh = false
    let commits = 0
    for (let i = 0; i < this.#index.count; i++) {
      if (pace.spent()) await pace.giveWay()
      const known = this.#table.find(this.#index.bytes, this.#index.idAt(i))
      const number = known >= 0 ? known : await this.#take(i)
      this.#numbers[i] = number
      if (known >= 0) continue
      if (this.#table.forms[number] === entryForms.stored) isFresh = true
      if (this.#table.typeOf(number) === 'commit') commits++
    }
    return { isFresh, commits }
  }

  async #take(i: number): Promise<number> {
    const { bytes, offsets } = this.#index
    const offset = offsets[i]!
    const head = this.#file.inWindow(offset, HEADER_READ_BYTES) ?? (await this.#file.load(offset, HEADER_READ_BYTES))
    const { kind, end } = parseEntryHeader(head, 0)
    const table = this.#table
    const isDelta = kind === 'ofs-delta' || kind === 'ref-delta'
    let base = -1
    if (kind === 'ofs-delta') base = this.#numberAt(offset - parseBaseDistance(head, end).distance)
    else if (kind === 'ref-delta') base = table.find(head, end)
    // Another's delta may stand before its base.
    const type = !isDelta
      ? objectTypes.indexOf(kind)
      : base >= 0
        ? table.types[base]!
        : objectTypes.indexOf((await this.#pack.read(this.#idOf(i), offset)).type)
    const number = table.add(bytes, this.#index.idAt(i))
    table.sources[number] = this.#source
    table.offsets[number] = offset
    table.lengths[number] = (offsets[i + 1] ?? this.#pack.file.sizeBytes - CHECKSUM_BYTES) - offset
    table.crcs[number] = this.#index.crcOf(i)
    table.types[number] = type
    table.bases[number] = base
    table.predecessors[number] = -1
    if (isDelta) table.forms[number] = base >= 0 ? entryForms.delta : entryForms.unusableDelta
    else table.forms[number] = isStored(head, end) ? entryForms.stored : entryForms.deflated
    return number
  }

  #idOf(i: number): ObjectId {
    const at = this.#index.idAt(i)
    return this.#index.bytes.toString('hex', at, at + OBJECT_ID_BYTES) as ObjectId
  }

  #numberAt(offset: number): number {
    const { offsets } = this.#index
    let low = 0
    let high = offsets.length
    while (low < high) {
      const middle = (low + high) >>> 1
      if (offsets[middle]! < offset) low = middle + 1
      else high = middle
    }
    if (offsets[low] !== offset) throw new MalformedObject('a delta whose base is no object')
    return this.#numbers[low]!
  }
}

/** Hands out the entries of one source after the other as they stand in their files, each checked against its CRC. */
export class SourceEntries {
  readonly #files: SourceFiles
  readonly #table: ObjectTable
  #file: SequentialFile | undefined
  #source = -1

  constructor(files: SourceFiles, table: ObjectTable) {
    this.#files = files
    this.#table = table
  }

  /** A view that is good until the next is asked for. @throws MalformedObject; system errors */
  async read(number: number): Promise<Buffer> {
    const source = this.#table.sources[number]!
    if (source !== this.#source) {
      await this.close()
      this.#file = await this.#files.open(source)
      this.#source = source
    }
    const offset = this.#table.offsets[number]!
    const length = this.#table.lengths[number]!
    const bytes = this.#file!.inWindow(offset, length) ?? (await this.#file!.load(offset, length))
    if (bytes.length !== length || crc32(bytes) !== this.#table.crcs[number])
      throw new MalformedObject(`object ${this.#table.idOf(number)} is damaged`)
    return bytes
  }

  async close(): Promise<void> {
    this.#source = -1
    await this.#file?.close()
    this.#file = undefined
  }
}
