/**
 * git's refs as files (gitrepository-layout(5)): `refs/…` hold 40 digits and a line feed; `packed-refs` holds lines
 * `<id> SP <name>`, after a first one that begins with `# pack-refs with:`, and after a tag's line perhaps `^<id>`. A loose
 * ref goes before a packed one.
 */
import { readdir, readFile, rmdir, unlink } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { AtollError, corrupt, isAtollError, isObjectId, type ObjectId } from '@atolldb/core'
import type { FileDamage } from '../damage/file-damage.ts'
import { allDone } from '../files/all-done.ts'
import { changeDirectory } from '../files/durable-files.ts'
import { isNotFound, onFile, systemErrorCode } from '../files/system-errors.ts'
import { RefLock } from './ref-lock.ts'
import { checkRefName, isRefName } from './ref-name.ts'

const PACKED_HEADER = '# pack-refs with:'
const packedLine = /^([0-9a-f]{40}) (refs\/\S+)$/

/** The refs of one repository. Every change is a compare-and-swap under git's own lock. */
export class Refs {
  readonly #directory: string

  constructor(directory: string) {
    this.#directory = directory
  }

  /**
   * @returns undefined when there is no such ref
   * @throws INVALID (name), CORRUPT (a ref that is truncated, symbolic or anything but an id), NOT_ACCESSIBLE, STORAGE_FAILED
   */
  async read(name: string): Promise<ObjectId | undefined> {
    checkRefName(name)
    return (await this.#readLoose(name)) ?? (await this.#readPacked()).get(name)
  }

  /** Every ref whose name begins with the prefix, by name. @throws as `read` */
  async list(prefix: string): Promise<Map<string, ObjectId>> {
    const idByName = new Map<string, ObjectId>()
    // Loose before packed: git packs before it removes, so a ref on its way is seen in one of them.
    for (const name of await this.#looseNames('refs')) {
      if (!name.startsWith(prefix)) continue
      const id = await this.#readLoose(name)
      if (id !== undefined) idByName.set(name, id)
    }
    for (const [name, id] of await this.#readPacked())
      if (name.startsWith(prefix) && !idByName.has(name)) idByName.set(name, id)
    return new Map([...idByName].sort(([a], [b]) => (a < b ? -1 : 1)))
  }

  /**
   * Moves a ref from `previous` (undefined: it must not exist) to `next`. Whatever happens the ref is one of the two; when
   * it resolves the move survives power loss. It moves once `objects` has resolved, and not where that fails; what can be
   * made ready before, is. Stock git finds the ref locked meanwhile.
   *
   * @throws what `objects` failed with; CONFLICT (it is something else, or another ref is in the way), UNAVAILABLE (locked by
   * stock git for seconds), INVALID, CORRUPT, STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
   */
  async update(
    name: string,
    next: ObjectId,
    previous: ObjectId | undefined,
    objects: Promise<unknown> = Promise.resolve(),
  ): Promise<void> {
    await allDone([objects, this.#move(name, next, previous, objects)])
  }

  async #move(name: string, next: ObjectId, previous: ObjectId | undefined, objects: Promise<unknown>): Promise<void> {
    checkRefName(name)
    const lock = await RefLock.take(this.#pathOf(name))
    try {
      await this.#compare(name, previous)
      if (previous === undefined) await this.#makeWay(name)
      await lock.write(`${next}\n`)
      await lock.commit(objects)
    } finally {
      await lock.release()
    }
  }

  /** Removes a ref that is `previous`; durable when it resolves. @throws as `update` */
  async delete(name: string, previous: ObjectId): Promise<void> {
    checkRefName(name)
    const path = this.#pathOf(name)
    const lock = await RefLock.take(path)
    try {
      await this.#compare(name, previous)
      // The packed one first, or it would show in between.
      await this.#deletePacked(name)
      await changeDirectory(dirname(path), () =>
        onFile(path, async () => {
          await unlink(path).catch((error: unknown) => {
            if (!isNotFound(error)) throw error
          })
        }),
      )
    } finally {
      await lock.release()
    }
  }

  /** Every file of refs that cannot be read for what it is. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
  async check(): Promise<FileDamage[]> {
    const damages: FileDamage[] = []
    const orDamage = async (read: () => Promise<unknown>): Promise<void> => {
      try {
        await read()
      } catch (error) {
        if (!isAtollError(error, 'CORRUPT')) throw error
        damages.push(error.data)
      }
    }
    await orDamage(() => this.#readPacked())
    for (const name of await this.#looseNames('refs')) await orDamage(() => this.#readLoose(name))
    return damages
  }

  async #compare(name: string, previous: ObjectId | undefined): Promise<void> {
    const actual = await this.read(name)
    if (actual === previous) return
    throw new AtollError('CONFLICT', `${name} is ${actual ?? 'absent'}, not ${previous ?? 'absent'}`, {
      what: name,
      ...(previous === undefined ? {} : { expected: previous }),
      ...(actual === undefined ? {} : { actual }),
    })
  }

  /** No ref may be a directory of another; empty directories that deleted refs left are removed. */
  async #makeWay(name: string): Promise<void> {
    const parts = name.split('/')
    const parents = new Set(parts.map((_part, count) => parts.slice(0, count).join('/')))
    for (const other of (await this.list('refs/')).keys())
      if (parents.has(other) || other.startsWith(`${name}/`))
        throw new AtollError('CONFLICT', `${name}: the ref ${other} is in the way`, { what: name })
    await removeEmptyDirectories(this.#pathOf(name))
  }

  async #readLoose(name: string): Promise<ObjectId | undefined> {
    const path = this.#pathOf(name)
    const text = await this.#readText(path)
    if (text === undefined) return undefined
    const id = text.slice(0, -1)
    if (!text.endsWith('\n') || !isObjectId(id)) {
      const reason = text.startsWith('ref:') ? 'a symbolic ref' : 'not an object id and a line feed'
      throw corrupt(path, reason)
    }
    return id
  }

  async #readPacked(): Promise<Map<string, ObjectId>> {
    const path = this.#packedPath
    const idByName = new Map<string, ObjectId>()
    const text = await this.#readText(path)
    if (text === undefined || text === '') return idByName
    if (!text.endsWith('\n')) throw corrupt(path, 'truncated')
    for (const [at, line] of text.slice(0, -1).split('\n').entries()) {
      if ((at === 0 && line.startsWith(PACKED_HEADER)) || (line.startsWith('^') && isObjectId(line.slice(1)))) continue
      const match = packedLine.exec(line)
      if (match === null) throw corrupt(path, `a line of unknown form: ${JSON.stringify(line.slice(0, 80))}`)
      idByName.set(match[2]!, match[1] as ObjectId)
    }
    return idByName
  }

  async #deletePacked(name: string): Promise<void> {
    if (!(await this.#readPacked()).has(name)) return
    const lock = await RefLock.take(this.#packedPath)
    try {
      const lines = ((await this.#readText(this.#packedPath)) ?? '').split('\n')
      const at = lines.findIndex(line => line.endsWith(` ${name}`))
      if (at < 0) return
      lines.splice(at, lines[at + 1]?.startsWith('^') === true ? 2 : 1)
      await lock.write(lines.join('\n'))
      await lock.commit()
    } finally {
      await lock.release()
    }
  }

  async #looseNames(directory: string): Promise<string[]> {
    const path = join(this.#directory, directory)
    const names: string[] = []
    for (const entry of await onFile(path, () => readdirIfThere(path))) {
      const name = `${directory}/${entry.name}`
      if (entry.isDirectory()) names.push(...(await this.#looseNames(name)))
      // Locks, and what editors and file managers leave behind, are no refs to git either.
      else if (isRefName(name)) names.push(name)
    }
    return names
  }

  async #readText(path: string): Promise<string | undefined> {
    return onFile(path, async () => {
      try {
        return await readFile(path, 'latin1')
      } catch (error) {
        const code = systemErrorCode(error)
        // A directory of refs, or a ref where a directory would be, is no ref of this name.
        if (code === 'ENOENT' || code === 'EISDIR' || code === 'ENOTDIR') return undefined
        throw error
      }
    })
  }

  get #packedPath(): string {
    return join(this.#directory, 'packed-refs')
  }

  #pathOf(name: string): string {
    return join(this.#directory, name)
  }
}

async function readdirIfThere(path: string) {
  try {
    return await readdir(path, { withFileTypes: true })
  } catch (error) {
    if (isNotFound(error)) return []
    throw error
  }
}

async function removeEmptyDirectories(path: string): Promise<void> {
  try {
    for (const entry of await readdir(path, { withFileTypes: true }))
      if (entry.isDirectory()) await removeEmptyDirectories(join(path, entry.name))
    await rmdir(path)
  } catch {
    // Not there, no directory, or not empty: then the update says so.
  }
}
