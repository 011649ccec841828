import { readdir, rename, stat, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, corrupt, isAtollError, type ObjectId } from '@atolldb/core'
import { syncDirectory } from '../files/durable-files.ts'
import { isNotFound, onFile, translateSystemError } from '../files/system-errors.ts'
import type { WindowedFiles } from '../files/windowed-files.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { openPack, openWrittenPack, type WrittenPack } from '../packs/open-pack.ts'
import type { PackFile, PackedBytes } from '../packs/pack-file.ts'
import { GONE_PREFIX } from './install-pack.ts'

/** Files beside a pack that say that it is not to be merged: by its owner, as a partial clone, for objects soon to go. */
const KEEPING = ['.keep', '.promisor', '.mtimes']
/** Beside the index; what stock git may have put there too. */
const PACK_FILES = ['.pack', '.rev', '.bitmap']
// A change within this time of a listing may not show in the directory's modification time.
const RACY_MS = 100

/**
 * The packs of a repository, newest first. Notices packs that others (stock git) add and remove: when something is not
 * found, `refresh` lists the directory again if it may have changed.
 */
export class PackDirectory {
  readonly path: string
  readonly #files: WindowedFiles
  readonly #passesOverDamage: boolean
  #packs: readonly PackFile[] = []
  /** The one that last had what was looked for: its neighbours are likely to be wanted next. */
  #lastFound: PackFile | undefined
  #names = new Set<string>()
  /** Not to be merged. */
  #kept = new Set<string>()
  /** Merged into another, and about to be removed. */
  readonly #retired = new Set<string>()
  /** Taken in while the directory was being listed. */
  #addedMeanwhile: Set<string> | undefined
  /** How often packs went away: what was looked for may be in a newer pack. */
  #departures = 0
  #listedAtMs = -Infinity
  #modifiedMs = -Infinity
  #refreshing: Promise<boolean> | undefined

  /** @param passesOverDamage packs whose index is damaged are as if they were not there */
  constructor(path: string, files: WindowedFiles, passesOverDamage = false) {
    this.path = path
    this.#files = files
    this.#passesOverDamage = passesOverDamage
  }

  get packCount(): number {
    return this.#packs.length
  }

  /** Those that may be merged, newest first. */
  get mergeable(): readonly PackFile[] {
    return this.#kept.size === 0 ? this.#packs : this.#packs.filter(pack => !this.#kept.has(this.nameOf(pack)))
  }

  /** @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
  async read(id: ObjectId): Promise<PackedBytes | undefined> {
    return this.#search(id, (pack, offset) => pack.read(id, offset))
  }

  /** The object where all that it takes to read it is in memory: a view to be used at once. Undefined says nothing. */
  atHand(id: ObjectId): PackedBytes | undefined {
    try {
      const last = this.#lastFound
      const offset = last?.index.findAtHand(id)
      if (last !== undefined && typeof offset === 'number') return last.atHand(id, offset)
      for (const pack of this.#packs) {
        if (pack === last && offset === undefined) continue
        const found = pack.index.findAtHand(id)
        if (found === undefined) continue
        if (found === 'unknown') return undefined
        this.#lastFound = pack
        return pack.atHand(id, found)
      }
    } catch (error) {
      // Damage is told by `read`.
      if (!(error instanceof MalformedObject)) throw error
    }
    return undefined
  }

  /** @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
  async has(id: ObjectId): Promise<boolean> {
    return (await this.#search(id, () => true)) ?? false
  }

  /** The ids that begin with two hexadecimal digits or more. @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
  async idsWithPrefix(prefix: string): Promise<Set<ObjectId>> {
    for (;;) {
      const departures = this.#departures
      const found = new Set<ObjectId>()
      for (const { index, file } of this.#packs) {
        try {
          for (const id of await index.idsWithPrefix(prefix)) found.add(id)
        } catch (error) {
          if (!isNotFound(error)) throw translateDamage(error, file.path)
        }
      }
      if (departures === this.#departures) return found
    }
  }

  /**
   * Takes in a pack that was just put into the directory. Where its files are known to be as they were written here, `written` is
   * that, and they are not read back. @throws as `refresh`
   */
  async add(name: string, written?: WrittenPack): Promise<void> {
    if (this.#names.has(name)) return
    const known = written && openWrittenPack(this.#files, this.#pathOf(name, 'pack'), written)
    const pack = known ?? (await this.#load(name))
    if (this.#names.has(name)) return
    this.#note(name)
    this.#packs = [pack, ...this.#packs]
  }

  /**
   * Puts a pack, which was just put into the directory, in the place of those whose objects it has, and removes them once
   * nobody reads them. After a crash before it resolves some of them may still be there.
   *
   * @throws as `refresh`; NOT_ACCESSIBLE, STORAGE_FAILED when one cannot be removed: it is an old copy then
   */
  async replace(sources: readonly PackFile[], name: string): Promise<void> {
    const merged = await this.#load(name)
    const old = new Set(sources)
    const at = this.#packs.findIndex(pack => old.has(pack))
    const rest = this.#packs.filter(pack => !old.has(pack) && this.nameOf(pack) !== name)
    this.#packs = rest.toSpliced(Math.max(0, at), 0, merged)
    this.#lastFound = undefined
    const names = sources.map(pack => this.nameOf(pack)).filter(source => source !== name)
    for (const source of names) {
      this.#names.delete(source)
      this.#retired.add(source)
    }
    this.#note(name)
    this.#departures++
    try {
      const files = new Set(await onFile(this.path, () => readdir(this.path)))
      // It names the packs that go; stock git does without it.
      for (const file of files) if (file.startsWith('multi-pack-index')) await this.#unlink(file)
      for (const pack of sources) {
        if (this.nameOf(pack) === name) continue
        await pack.idle()
        await pack.release()
        await this.#removeFiles(this.nameOf(pack), files)
        // Who came late may have opened it again.
        await pack.release()
      }
      await syncDirectory(this.path)
    } finally {
      for (const source of names) this.#retired.delete(source)
    }
  }

  /**
   * Without the index the rest is nothing to anybody, so that goes first; under another name, since a pack that merely lost
   * its index may be the only copy of what is in it.
   */
  async #removeFiles(name: string, files: ReadonlySet<string>): Promise<void> {
    const gone = `${GONE_PREFIX}${name}`
    await onFile(this.path, async () => {
      try {
        await rename(this.#pathOf(name, 'idx'), join(this.path, gone))
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    })
    for (const extension of PACK_FILES)
      if (files.has(`pack-${name}${extension}`)) await this.#unlink(`pack-${name}${extension}`)
    await this.#unlink(gone)
  }

  #note(name: string): void {
    this.#names.add(name)
    this.#addedMeanwhile?.add(name)
  }

  async #unlink(file: string): Promise<void> {
    const path = join(this.path, file)
    await onFile(path, async () => {
      try {
        await unlink(path)
      } catch (error) {
        if (!isNotFound(error)) throw error
      }
    })
  }

  /**
   * Lists the directory if it may have changed; true if it was listed.
   *
   * @throws CORRUPT (an index is damaged), NOT_ACCESSIBLE, STORAGE_FAILED
   */
  async refresh(): Promise<boolean> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined
      this.#addedMeanwhile = undefined
    })
    return this.#refreshing
  }

  async #refresh(): Promise<boolean> {
    const now = Date.now()
    const addedMeanwhile = (this.#addedMeanwhile = new Set())
    const { mtimeMs } = await onFile(this.path, () => stat(this.path))
    if (mtimeMs === this.#modifiedMs && this.#listedAtMs - mtimeMs > RACY_MS) return false
    const files = new Set(await onFile(this.path, () => readdir(this.path)))
    const names = [...files]
      .filter(file => file.startsWith('pack-') && file.endsWith('.idx'))
      .map(file => file.slice('pack-'.length, -'.idx'.length))
      .filter(name => files.has(`pack-${name}.pack`) && !this.#retired.has(name))
    this.#kept = new Set(names.filter(name => KEEPING.some(extension => files.has(`pack-${name}${extension}`))))
    const found = new Set([...names, ...addedMeanwhile])
    const left = this.#packs.filter(pack => found.has(this.nameOf(pack)))
    if (left.length < this.#packs.length) this.#departures++
    this.#packs = left
    this.#lastFound = undefined
    this.#names = new Set(left.map(pack => this.nameOf(pack)))
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
      if (this.#passesOverDamage && isAtollError(error, 'CORRUPT')) return
      // Stock git removes packs that it has put together.
      if (!(error instanceof AtollError && isNotFound(error.cause))) throw error
    }
  }

  async #load(name: string): Promise<PackFile> {
    try {
      return await openPack(this.#files, this.#pathOf(name, 'pack'))
    } catch (error) {
      throw translateDamage(error, this.#pathOf(name, 'idx'))
    }
  }

  /** Asks the pack that last had something, then the others, newest first. */
  async #search<T>(id: ObjectId, ask: (pack: PackFile, offset: number) => T | Promise<T>): Promise<T | undefined> {
    for (;;) {
      const departures = this.#departures
      const found = await this.#searchOnce(id, ask)
      if (found !== undefined || departures === this.#departures) return found
    }
  }

  async #searchOnce<T>(id: ObjectId, ask: (pack: PackFile, offset: number) => T | Promise<T>): Promise<T | undefined> {
    let damaged: { pack: PackFile; error: MalformedObject } | undefined
    const last = this.#lastFound
    const packs = this.#packs
    for (let place = last === undefined ? 0 : -1; place < packs.length; place++) {
      const pack = place < 0 ? last! : packs[place]!
      if (place >= 0 && pack === last) continue
      try {
        // Most indexes are in memory; waiting for each would cost more than the search.
        const found = pack.index.find(id)
        const offset = typeof found === 'object' ? await found : found
        if (offset === undefined) continue
        this.#lastFound = pack
        return await ask(pack, offset)
      } catch (error) {
        // Removed under our hands: what it held is in another pack now, which the next refresh finds.
        if (isNotFound(error)) continue
        if (!(error instanceof MalformedObject)) throw translateDamage(error, pack.file.path)
        // A damaged object may be whole in another pack.
        damaged ??= { pack, error }
      }
    }
    if (damaged !== undefined) throw translateDamage(damaged.error, damaged.pack.file.path)
    return undefined
  }

  #pathOf(name: string, extension: 'pack' | 'idx'): string {
    return join(this.path, `pack-${name}.${extension}`)
  }

  /** The hexadecimal checksum in its name. */
  nameOf(pack: PackFile): string {
    return pack.file.path.slice(this.path.length + '/pack-'.length, -'.pack'.length)
  }
}

/** What damage in one of our own files means. */
export function translateDamage(error: unknown, path: string): unknown {
  if (error instanceof MalformedObject) return corrupt(path, error.message, { cause: error })
  return translateSystemError(error, path)
}
