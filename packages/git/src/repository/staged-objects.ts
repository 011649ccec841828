import { assert } from '@atolldb/core'
import type { CommitId, CommitObject, ObjectId, ObjectReader, ObjectStore, TreeEntry } from '@atolldb/core'
import { encodeCommit, parseCommit } from '../objects/commit.ts'
import { hashObject } from '../objects/object-id.ts'
import { encodeTree, parseTree } from '../objects/tree.ts'
import { PackBuilder, type BuiltPack } from '../packs/pack-builder.ts'
import type { RawObject } from '../packs/pack-encoder.ts'
import type { ObjectCache } from './object-cache.ts'
import { writePack } from './install-pack.ts'
import type { PackDirectory } from './pack-directory.ts'

export interface CommittedPack {
  readonly name: string
  readonly objectCount: number
  readonly sizeBytes: number
}

/**
 * Objects on their way into a repository: kept in memory and readable at once, then written as one pack. Reads fall
 * through to the readers behind it. Every object that is written is in the pack, also if the repository has it: what it has
 * may be unreachable, and gone when stock git next cleans up.
 */
export class StagedObjects implements ObjectStore {
  readonly #behind: readonly ObjectReader[]
  readonly #packs: PackDirectory
  readonly #cache: ObjectCache
  readonly #builder = new PackBuilder()
  readonly #trees = new Map<ObjectId, readonly TreeEntry[]>()
  readonly #commits = new Map<CommitId, CommitObject>()
  #built: BuiltPack | undefined

  constructor(behind: readonly ObjectReader[], packs: PackDirectory, cache: ObjectCache) {
    this.#behind = behind
    this.#packs = packs
    this.#cache = cache
  }

  get objectCount(): number {
    return this.#builder.objectCount
  }

  /** Bytes of the pack to be written. */
  get sizeBytes(): number {
    return this.#builder.sizeBytes
  }

  writeBlob(bytes: Uint8Array, id?: ObjectId): ObjectId {
    return this.#builder.add('blob', bytes, id)
  }

  writeTree(entries: readonly TreeEntry[]): ObjectId {
    return this.#builder.add('tree', encodeTree(entries))
  }

  writeCommit(commit: CommitObject): CommitId {
    const id = this.#builder.add('commit', encodeCommit(commit)) as CommitId
    this.#commits.set(id, commit)
    return id
  }

  /** An object as it is encoded, of any type. */
  writeObject({ type, bytes }: RawObject): ObjectId {
    return this.#builder.add(type, bytes)
  }

  /** What was staged, and nothing of what lies behind: the bytes must not be written to. */
  readStaged(id: ObjectId): RawObject | undefined {
    const type = this.#builder.typeOf(id)
    return type && { type, bytes: this.#builder.read(id)! }
  }

  blobId(bytes: Uint8Array): ObjectId {
    return hashObject('blob', bytes)
  }

  async has(id: ObjectId): Promise<boolean> {
    if (this.#builder.has(id)) return true
    for (const reader of this.#behind) if (await reader.has(id)) return true
    return false
  }

  blobAtHand(id: ObjectId): Uint8Array | undefined {
    if (this.#builder.typeOf(id) === 'blob') return this.#builder.read(id)
    for (const reader of this.#behind) {
      const bytes = reader.blobAtHand?.(id)
      if (bytes !== undefined) return bytes
    }
    return undefined
  }

  async readBlob(id: ObjectId): Promise<Uint8Array> {
    if (this.#builder.typeOf(id) === 'blob') return this.#builder.read(id)!
    return (await this.#readerOf(id)).readBlob(id)
  }

  async readTree(id: ObjectId): Promise<readonly TreeEntry[]> {
    if (this.#builder.typeOf(id) !== 'tree') return (await this.#readerOf(id)).readTree(id)
    let entries = this.#trees.get(id)
    if (entries === undefined) this.#trees.set(id, (entries = parseTree(this.#builder.read(id)!)))
    return entries
  }

  async readCommit(id: CommitId): Promise<CommitObject> {
    if (this.#builder.typeOf(id) !== 'commit') return (await this.#readerOf(id)).readCommit(id)
    let commit = this.#commits.get(id)
    if (commit === undefined) this.#commits.set(id, (commit = parseCommit(this.#builder.read(id)!)))
    return commit
  }

  /**
   * Writes what was staged as one pack. When it resolves, the objects are durable and part of the repository; after a crash
   * before that they are all there or none is. Undefined when nothing was staged. Nothing may be written any more; reading
   * goes on. After a failure it may be called again.
   *
   * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
   */
  async commit(): Promise<CommittedPack | undefined> {
    if (this.#builder.objectCount === 0) return undefined
    const built = (this.#built ??= this.#builder.finish())
    const { name, objectCount, chunks, index } = built
    const sizeBytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    const isOurs = await writePack(this.#packs.path, built)
    await this.#packs.add(name, isOurs ? { index, sizeBytes, chunks } : undefined)
    // Read and written together are what the next stage begins with.
    for (const [id, entries] of this.#trees) this.#cache.trees.set(id, entries)
    for (const [id, commit] of this.#commits) this.#cache.commits.set(id, commit)
    return { name, objectCount, sizeBytes }
  }

  /** The first reader behind that has it, else the last, which knows how to say that it is missing. */
  async #readerOf(id: ObjectId): Promise<ObjectReader> {
    for (const reader of this.#behind.slice(0, -1)) if (await reader.has(id)) return reader
    const last = this.#behind.at(-1)
    assert(last !== undefined, 'a stage has the repository behind it')
    return last
  }
}
