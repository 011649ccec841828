import { readdir, readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, type ObjectId } from '@atolldb/core'
import { isNotFound, onFile, translateSystemError } from '../files/system-errors.ts'
import type { WindowedFiles } from '../files/windowed-files.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { PackFile, type PackedBytes } from '../packs/pack-file.ts'
import { MemoryPackIndex, PagedPackIndex } from '../packs/pack-index.ts'

/** Indexes up to this stay in memory; larger ones are read in windows. */
const LARGEST_INDEX_IN_MEMORY = 1024 * 1024
// A change within this time of a listing may not show in the directory's modification time.
const RACY_MS = 100

/**
 * The packs of a repository, newest first. Notices packs that others (stock git) add and remove: when something is not
 * found, `refresh` lists the directory again if it may have changed.
 */
export class PackDirectory {
  readonly path: string
  readonly #files: WindowedFiles
  #packs: PackFile[] = []
  #names = new Set<string>()
  #listedAtMs = -Infinity
  #modifiedMs = -Infinity
  #refreshing: Promise<boolean> | undefined

  constructor(path: string, files: WindowedFiles) {
    this.path = path
    this.#files = files
  }

  get packCount(): number {
    return this.#packs.length
  }

  /** @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
  async read(id: ObjectId): Promise<PackedBytes | undefined> {
    return this.#search(id, (pack, offset) => pack.read(id, offset))
  }

  /** @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
  async has(id: ObjectId): Promise<boolean> {
    return (await this.#search(id, () => true)) ?? false
  }

  /** Takes in a pack that was just put into the directory. @throws as `refresh` */
  async add(name: string): Promise<void> {
    if (this.#names.has(name)) return
    const pack = await this.#load(name)
    if (this.#names.has(name)) return
    this.#names.add(name)
    this.#packs.unshift(pack)
  }

  /**
   * Lists the directory if it may have changed; true if it was listed.
   *
   * @throws CORRUPT (an index is damaged), NOT_ACCESSIBLE, STORAGE_FAILED
   */
  async refresh(): Promise<boolean> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined))
    return this.#refreshing
  }

  async #refresh(): Promise<boolean> {
    const now = Date.now()
    const { mtimeMs } = await onFile(this.path, () => stat(this.path))
    if (mtimeMs === this.#modifiedMs && this.#listedAtMs - mtimeMs > RACY_MS) return false
    const files = new Set(await onFile(this.path, () => readdir(this.path)))
    const names = [...files]
      .filter(file => file.startsWith('pack-') && file.endsWith('.idx'))
      .map(file => file.slice('pack-'.length, -'.idx'.length))
      .filter(name => files.has(`pack-${name}.pack`))
    const found = new Set(names)
    this.#packs = this.#packs.filter(pack => found.has(this.#nameOf(pack)))
    this.#names = new Set(this.#packs.map(pack => this.#nameOf(pack)))
    const added = await this.#byAge(names.filter(name => !this.#names.has(name)))
    for (const name of added) await this.#addUnlessGone(name)
    this.#modifiedMs = mtimeMs
    this.#listedAtMs = now
    return true
  }

  /** Oldest first, as they are to be put in front of each other. */
  async #byAge(names: readonly string[]): Promise<string[]> {
    const aged: { name: string; mtimeMs: number }[] = []
    for (const name of names) {
      try {
        aged.push({ name, mtimeMs: (await stat(this.#pathOf(name, 'pack'))).mtimeMs })
      } catch (error) {
        if (!isNotFound(error)) throw translateSystemError(error, this.#pathOf(name, 'pack'))
      }
    }
    return aged.sort((a, b) => a.mtimeMs - b.mtimeMs).map(({ name }) => name)
  }

  async #addUnlessGone(name: string): Promise<void> {
    try {
      await this.add(name)
    } catch (error) {
      // Stock git removes packs that it has put together.
      if (!(error instanceof AtollError && isNotFound(error.cause))) throw error
    }
  }

  async #load(name: string): Promise<PackFile> {
    const indexPath = this.#pathOf(name, 'idx')
    const packPath = this.#pathOf(name, 'pack')
    const packBytes = await onFile(packPath, async () => (await stat(packPath)).size)
    try {
      const { size } = await stat(indexPath)
      const index =
        size <= LARGEST_INDEX_IN_MEMORY
          ? new MemoryPackIndex(await readFile(indexPath))
          : await PagedPackIndex.open(this.#files.file(indexPath, size))
      return new PackFile(this.#files.file(packPath, packBytes), index)
    } catch (error) {
      throw translateDamage(error, indexPath)
    }
  }

  /** Asks the newest pack that has it. */
  async #search<T>(id: ObjectId, ask: (pack: PackFile, offset: number) => T | Promise<T>): Promise<T | undefined> {
    for (const pack of this.#packs) {
      try {
        // Most indexes are in memory; waiting for each would cost more than the search.
        const found = pack.index.find(id)
        const offset = typeof found === 'object' ? await found : found
        if (offset !== undefined) return await ask(pack, offset)
      } catch (error) {
        // Removed under our hands: what it held is in another pack now, which the next refresh finds.
        if (!isNotFound(error)) throw translateDamage(error, pack.file.path)
      }
    }
    return undefined
  }

  #pathOf(name: string, extension: 'pack' | 'idx'): string {
    return join(this.path, `pack-${name}.${extension}`)
  }

  #nameOf(pack: PackFile): string {
    return pack.file.path.slice(this.path.length + '/pack-'.length, -'.pack'.length)
  }
}

/** What damage in one of our own files means. */
export function translateDamage(error: unknown, path: string): unknown {
  if (error instanceof MalformedObject)
    return new AtollError(
      'CORRUPT',
      `${path}: ${error.message}`,
      { file: path, reason: error.message },
      { cause: error },
    )
  return translateSystemError(error, path)
}
