import { MAX_OBJECT_BYTES } from '@atolldb/core'
import { LRUCache } from 'lru-cache'
import { fileInMemory, WindowedFiles } from '../files/windowed-files.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { hashObject } from '../objects/object-id.ts'
import { applyDelta } from '../packs/delta.ts'
import { PackFile } from '../packs/pack-file.ts'
import { copyOut } from '../repository/object-reading.ts'
import type { SourceFiles } from './source-pack.ts'
import { entryForms, type ObjectTable } from './object-table.ts'

const CACHE_BYTES = 8 * 1024 * 1024
const FILE_CACHE_BYTES = 4 * 1024 * 1024
const ENTRY_BYTES = 200

/**
 * The contents of the objects of a merge, each checked against its id. The last that were used are kept: versions follow each
 * other, and the next is a delta upon the one before. Has files of its own, so that a merge does not wash out what readers
 * need.
 */
export class ObjectContents {
  readonly #table: ObjectTable
  readonly #files = new WindowedFiles(FILE_CACHE_BYTES)
  readonly #packs: readonly PackFile[]
  readonly #cache = new LRUCache<number, Buffer>({
    maxSize: CACHE_BYTES,
    sizeCalculation: bytes => bytes.length + ENTRY_BYTES,
  })

  constructor(sources: SourceFiles, table: ObjectTable) {
    this.#table = table
    this.#packs = sources.packs.map(({ file, index }, i) => {
      const whole = sources.whole(i)
      const own = whole && fileInMemory(file.path, whole)
      return new PackFile(own ?? this.#files.file(file.path, file.sizeBytes), index)
    })
  }

  /** Keeps what was read elsewhere, and checked. Returns a copy that stands alone. */
  keep(number: number, bytes: Buffer): Buffer {
    const own = copyOut(bytes) as Buffer
    this.#cache.set(number, own)
    return own
  }

  kept(number: number): Buffer | undefined {
    return this.#cache.get(number)
  }

  /** @throws MalformedObject; system errors */
  async read(number: number): Promise<Buffer> {
    return this.#cache.get(number) ?? this.keep(number, await this.#resolve(number))
  }

  async close(): Promise<void> {
    this.#cache.clear()
    await this.#files.close()
  }

  async #resolve(number: number): Promise<Buffer> {
    const { forms, bases, sources, offsets } = this.#table
    if (forms[number] === entryForms.unusableDelta) {
      const pack = this.#packs[sources[number]!]!
      return (await pack.read(this.#table.idOf(number), offsets[number]!)).bytes
    }
    const deltas: Buffer[] = []
    let bytes: Buffer | undefined
    // A base has a smaller number than what is upon it, so this ends.
    for (let at = number; bytes === undefined; at = bases[at]!) {
      if (at !== number) bytes = this.#cache.get(at)
      if (bytes !== undefined) break
      if (forms[at] === entryForms.unusableDelta) bytes = await this.#resolve(at)
      else {
        const entry = await this.#packs[sources[at]!]!.entryAt(offsets[at]!)
        if (forms[at] === entryForms.delta) deltas.push(entry.content)
        else bytes = entry.content
      }
    }
    for (let delta = deltas.pop(); delta !== undefined; delta = deltas.pop())
      bytes = applyDelta(bytes, delta, MAX_OBJECT_BYTES)
    this.check(number, bytes)
    return bytes
  }

  /** @throws MalformedObject when these are not the object's bytes */
  check(number: number, bytes: Buffer): void {
    if (hashObject(this.#table.typeOf(number), bytes) !== this.#table.idOf(number))
      throw new MalformedObject(`object ${this.#table.idOf(number)} is damaged`)
  }
}
