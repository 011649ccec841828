import { join } from 'node:path'
import { unlink } from 'node:fs/promises'
import { assert } from '@atolldb/core'
import { randomSuffix, writeNewFile } from '../files/durable-files.ts'
import { encodePackIndexInSlices } from '../packs/encode-pack-index.ts'
import { inflateExactly } from '../packs/inflate.ts'
import type { PackFile } from '../packs/pack-file.ts'
import { parseBaseDistance, parseEntryHeader } from '../packs/pack-format.ts'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { compress } from './compress.ts'
import { DeltaSearch, MAX_CHAIN } from './delta-search.ts'
import { ObjectContents } from './object-contents.ts'
import { entryForms, ObjectTable } from './object-table.ts'
import type { Pace } from './pace.ts'
import { PackWriter } from './pack-writer.ts'
import { findPredecessors } from './predecessors.ts'
import { scanSource, SourceEntries, SourceFiles } from './source-pack.ts'

/** Objects done, of so many. */
export type OnMergeProgress = (done: number, total: number) => void

export interface MergedPack {
  /** The hexadecimal checksum. */
  readonly name: string
  readonly objectCount: number
  readonly commitCount: number
  readonly sizeBytes: number
  /** Durable under these names. */
  readonly temporary: { readonly pack: string; readonly index: string }
}

export interface MergeOptions {
  readonly pace: Pace
  /** The time that the new files carry. */
  readonly modified: Date
  readonly onProgress?: OnMergeProgress | undefined
}

interface Source {
  readonly isFresh: boolean
  /** The numbers of the objects that it was the first to have. */
  readonly first: number
  readonly end: number
}

/** A delta must save this much over the whole object, since reading it costs more. */
const DELTA_GAIN = 0.9
const REPORT_EVERY = 1024

/**
 * Writes the objects of several packs into one, each once. What was compressed before is copied as it is; what was not is
 * deflated, or becomes a delta upon the version before. Works in slices; holds some 80 bytes an object, and of contents a
 * bounded part. The sources stay as they are.
 *
 * @param packs oldest first
 * @param directory,prefix where the new files are put, and what their names begin with
 * @returns undefined when there is but one pack, and it was compressed before
 * @throws MalformedObject (a source is damaged); ABORTED; STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE; system errors of
 * reading. Then nothing is left behind.
 */
export async function mergePacks(
  packs: readonly PackFile[],
  directory: string,
  prefix: string,
  options: MergeOptions,
): Promise<MergedPack | undefined> {
  const table = new ObjectTable(packs.reduce((sum, { index }) => sum + index.objectCount, 0))
  const sources: Source[] = []
  const files = new SourceFiles(packs)
  let commitCount = 0
  for (let i = 0; i < packs.length; i++) {
    const first = table.count
    const { isFresh, commits } = await scanSource(files, i, table, options.pace)
    sources.push({ isFresh, first, end: table.count })
    commitCount += commits
  }
  if (packs.length === 1 && sources[0]?.isFresh === false) return undefined
  const contents = new ObjectContents(files, table)
  const entries = new SourceEntries(files, table)
  const path = join(directory, `${prefix}pack_${randomSuffix()}`)
  const writer = await PackWriter.create(path, table.count)
  try {
    const merge = new Merge(table, contents, entries, writer)
    for (const [i, source] of sources.entries()) {
      // In the first there is nothing new to be said about what was merged before.
      if (source.isFresh || i > 0) await findPredecessors(table, contents, source.first, source.end, options.pace)
      await merge.copy(source, options)
    }
    const { checksum, sizeBytes } = await writer.finish(options.modified)
    const { count, ids, crcs, writtenAt } = table
    const columns = { count, ids, crcs, offsets: writtenAt }
    const index = await encodePackIndexInSlices(columns, checksum, options.pace)
    assert(index !== undefined, 'no object was taken twice')
    const indexPath = join(directory, `${prefix}idx_${randomSuffix()}`)
    await writeNewFile(indexPath, [index], { mode: 0o444 })
    const name = checksum.toString('hex')
    return { name, objectCount: table.count, commitCount, sizeBytes, temporary: { pack: path, index: indexPath } }
  } catch (error) {
    await writer.abandon()
    throw error
  } finally {
    await entries.close()
    await contents.close()
  }
}

/** Removes what is not to be installed. */
export async function discardMerged({ temporary }: MergedPack): Promise<void> {
  await unlink(temporary.pack).catch(() => {})
  await unlink(temporary.index).catch(() => {})
}

class Merge {
  readonly #table: ObjectTable
  readonly #contents: ObjectContents
  readonly #entries: SourceEntries
  readonly #writer: PackWriter
  readonly #search: DeltaSearch

  constructor(table: ObjectTable, contents: ObjectContents, entries: SourceEntries, writer: PackWriter) {
    this.#table = table
    this.#contents = contents
    this.#entries = entries
    this.#writer = writer
    this.#search = new DeltaSearch(table, contents)
  }

  async copy(
    { first, end }: Source,
    { pace, onProgress }: { pace: Pace; onProgress?: OnMergeProgress | undefined },
  ): Promise<void> {
    for (let number = first; number < end; number++) {
      if (pace.spent()) await pace.giveWay()
      await this.#copy(number)
      if (number % REPORT_EVERY === 0) onProgress?.(number, this.#table.count)
    }
    onProgress?.(end, this.#table.count)
  }

  async #copy(number: number): Promise<void> {
    const { forms, bases, writtenAt, depths } = this.#table
    const form = forms[number]
    const entry = await this.#entries.read(number)
    const { kind, size, end } = parseEntryHeader(entry, 0)
    if (form === entryForms.delta) {
      const base = bases[number]!
      if (writtenAt[base]! > 0 && depths[base]! < MAX_CHAIN) {
        const start = kind === 'ofs-delta' ? parseBaseDistance(entry, end).end : end + OBJECT_ID_BYTES
        return this.#write(number, size, entry.subarray(start), base)
      }
    }
    if (form === entryForms.deflated) return this.#writeDeflated(number, size, entry.subarray(end))
    if (form !== entryForms.stored) return this.#writeAnew(number, await this.#contents.read(number))
    const { content } = inflateExactly(entry, end, size)
    this.#contents.check(number, content)
    return this.#writeAnew(number, this.#contents.keep(number, content))
  }

  /** It was compressed before: only what was in another pack then can make it smaller. */
  async #writeDeflated(number: number, size: number, stream: Buffer): Promise<void> {
    if (this.#table.predecessors[number]! >= 0) {
      const own = Buffer.from(stream)
      const found = await this.#search.uponPredecessor(number, await this.#contents.read(number))
      if (found !== undefined) {
        const deflated = await compress(found.delta)
        if (deflated.length < own.length * DELTA_GAIN)
          return this.#write(number, found.delta.length, deflated, found.base)
      }
      return this.#write(number, size, own)
    }
    return this.#write(number, size, stream)
  }

  async #writeAnew(number: number, bytes: Buffer): Promise<void> {
    const found = await this.#search.best(number, bytes)
    this.#search.remember(number, bytes)
    const delta = found && (await compress(found.delta))
    // Where little has changed, the whole need not be compressed to know that it is larger.
    if (found !== undefined && delta !== undefined && found.delta.length * 16 < bytes.length)
      return this.#write(number, found.delta.length, delta, found.base)
    const whole = await compress(bytes)
    if (found !== undefined && delta !== undefined && delta.length < whole.length * DELTA_GAIN)
      return this.#write(number, found.delta.length, delta, found.base)
    return this.#write(number, bytes.length, whole)
  }

  async #write(number: number, size: number, stream: Uint8Array, base = -1): Promise<void> {
    const { writtenAt, writtenBases, depths, crcs } = this.#table
    const offset = this.#writer.offset
    // That of the entry in its source has served.
    crcs[number] = await this.#writer.add(
      this.#table.typeOf(number),
      size,
      stream,
      base < 0 ? undefined : writtenAt[base]!,
    )
    writtenAt[number] = offset
    writtenBases[number] = base
    depths[number] = base < 0 ? 0 : depths[base]! + 1
  }
}
