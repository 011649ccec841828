import { join } from 'node:path'
import { AtollError, EMPTY_TREE } from '@atolldb/core'
import type { CommitId, CommitObject, ObjectId, ObjectReader, TreeEntry } from '@atolldb/core'
import { listCommits } from '../damage/list-commits.ts'
import type { FileDamage } from '../damage/file-damage.ts'
import { WindowedFiles } from '../files/windowed-files.ts'
import { parseCommit } from '../objects/commit.ts'
import { hashObject, type ObjectType } from '../objects/object-id.ts'
import { parseTree } from '../objects/tree.ts'
import type { PackedBytes } from '../packs/pack-file.ts'
import type { RawObject } from '../packs/pack-encoder.ts'
import type { PackLimits } from '../packs/pack-limits.ts'
import { Compaction, type CompactionOptions, type CompactionSummary } from './compaction.ts'
import { checkRepositoryFormat, createRepository, isRepository, removeLeftovers, syncNames } from './layout.ts'
import { looseIdsWithPrefix, readLooseObject } from './loose-objects.ts'
import { ObjectCache } from './object-cache.ts'
import { copyOut, missingObject } from './object-reading.ts'
import { PackDirectory, translateDamage } from './pack-directory.ts'
import { receivePack, type QuarantinedPack } from './quarantined-pack.ts'
import { Refs } from './refs.ts'
import { StagedObjects } from './staged-objects.ts'

export interface RepositoryOptions {
  /** Create it if it is not there. */
  readonly create?: boolean
  /**
   * Only to look at one that may be damaged, or that another process has open: removes nothing that a crash left behind, and
   * passes over packs whose index is damaged.
   */
  readonly inspect?: boolean
  /** Memory for parsed trees and commits; 8 MiB by default. */
  readonly objectCacheBytes?: number
  /** Memory for windows of pack files; 8 MiB by default. */
  readonly fileCacheBytes?: number
  /** Merge packs in a worker thread, so that the event loop stays free. Only where this package runs compiled. */
  readonly compactInThread?: boolean
}

const DEFAULT_CACHE_BYTES = 8 * 1024 * 1024

/**
 * A bare git repository on disk, which stock git may read, clone, pack and write to at the same time. One process has it
 * open; whoever opens it holds the lock of the data directory.
 *
 * @example
 * const repository = await Repository.open('/var/lib/atoll/repo.git', { create: true })
 * const stage = repository.stage()
 * const commit = stage.writeCommit({ tree: stage.writeTree([]), parents: [], author, committer: author, message: 'one\n' })
 * await stage.commit()
 * await repository.updateRef('refs/heads/main', commit, undefined)
 */
export class Repository implements ObjectReader {
  readonly directory: string
  readonly #files: WindowedFiles
  readonly #packs: PackDirectory
  readonly #cache: ObjectCache
  readonly #refs: Refs
  readonly #compaction: Compaction
  #closed = false

  private constructor(directory: string, options: RepositoryOptions) {
    this.directory = directory
    this.#files = new WindowedFiles(options.fileCacheBytes ?? DEFAULT_CACHE_BYTES)
    this.#packs = new PackDirectory(join(directory, 'objects/pack'), this.#files, options.inspect)
    this.#compaction = new Compaction(this.#packs, options.compactInThread ?? false)
    this.#cache = new ObjectCache(options.objectCacheBytes ?? DEFAULT_CACHE_BYTES)
    this.#refs = new Refs(directory)
  }

  /**
   * Opens a repository, removes what a crash left behind, and makes durable what it left unsynced.
   *
   * @throws MISSING (not there and not to be created), NEWER_FORMAT, CORRUPT (a damaged index), NOT_ACCESSIBLE,
   * STORAGE_FULL, STORAGE_FAILED
   */
  static async open(directory: string, options: RepositoryOptions = {}): Promise<Repository> {
    if (!(await isRepository(directory))) {
      if (options.create !== true)
        throw new AtollError('MISSING', `no repository at ${directory}`, { what: 'repository', id: directory })
      await createRepository(directory)
    }
    await checkRepositoryFormat(directory)
    if (options.inspect !== true) {
      await removeLeftovers(directory)
      await syncNames(directory)
    }
    const repository = new Repository(directory, options)
    try {
      await repository.#packs.refresh()
    } catch (error) {
      await repository.close()
      throw error
    }
    return repository
  }

  /** Closes its files. Reading is over; calls under way may fail with CLOSED. */
  async close(): Promise<void> {
    if (this.#closed) return
    this.#closed = true
    this.#cache.clear()
    await this.#files.close()
  }

  get packCount(): number {
    return this.#packs.packCount
  }

  /** Packs that `compact` found damaged since the repository was opened. They stay, and are not merged. */
  get damagedPacks(): readonly FileDamage[] {
    return this.#compaction.damages
  }

  /** Should `compact` be called? Costs next to nothing. `overdue`: there are more packs than there should ever be. */
  get compactionNeed(): 'none' | 'due' | 'overdue' {
    if (!this.#compaction.isDue) return 'none'
    return this.packCount >= this.#compaction.packBound ? 'overdue' : 'due'
  }

  /**
   * Puts packs together into one that is compressed, with deltas between the versions of a tree or file: those that are
   * together as large as their elder, or all. One at a time; what is written meanwhile is not part of it. Works in a thread of its
   * own, or in slices of about ten milliseconds. No object is ever dropped. The new pack is durable before the old ones go, and these
   * go once nobody here reads them; after a crash at any moment the repository is whole.
   *
   * @throws ABORTED (nothing has changed), CORRUPT (a pack is damaged: it is named, and left out of what is merged from now on;
   * nothing has changed), STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
   */
  async compact(options: CompactionOptions = {}): Promise<CompactionSummary> {
    this.#assertOpen()
    return this.#compaction.run(options)
  }

  blobId(bytes: Uint8Array): ObjectId {
    return hashObject('blob', bytes)
  }

  async has(id: ObjectId): Promise<boolean> {
    this.#assertOpen()
    if (id === EMPTY_TREE || this.#cache.trees.has(id) || this.#cache.commits.has(id as CommitId)) return true
    for (let round = 0; round < 2; round++) {
      if ((await this.#packs.has(id)) || (await this.#readLoose(id)) !== undefined) return true
      if (round > 0 || !(await this.#packs.refresh())) break
    }
    return false
  }

  blobAtHand(id: ObjectId): Uint8Array | undefined {
    const object = this.objectAtHand(id)
    return object?.type === 'blob' ? object.bytes : undefined
  }

  async readBlob(id: ObjectId): Promise<Uint8Array> {
    return copyOut((await this.#read('blob', id)).bytes)
  }

  async readTree(id: ObjectId): Promise<readonly TreeEntry[]> {
    const cached = this.#cache.trees.get(id)
    if (cached !== undefined) return cached
    const { bytes, durable } = await this.#read('tree', id)
    const entries = this.#parse(id, () => parseTree(bytes))
    if (durable) this.#cache.trees.set(id, entries)
    return entries
  }

  async readCommit(id: CommitId): Promise<CommitObject> {
    const cached = this.#cache.commits.get(id)
    if (cached !== undefined) return cached
    const { bytes, durable } = await this.#read('commit', id)
    const commit = this.#parse(id, () => parseCommit(bytes))
    if (durable) this.#cache.commits.set(id, commit)
    return commit
  }

  /** An object of any type in its encoded form, for packs to send. @throws MISSING, CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED */
  async readObject(id: ObjectId): Promise<RawObject> {
    const { type, bytes } = await this.#find(id, 'object')
    return { type, bytes: copyOut(bytes) }
  }

  /**
   * The ids of all objects that begin with some hexadecimal digits, two or more, sorted: costs a search in the index of each
   * pack. @throws CORRUPT, NOT_ACCESSIBLE, STORAGE_FAILED
   */
  async idsWithPrefix(prefix: string): Promise<ObjectId[]> {
    this.#assertOpen()
    await this.#packs.refresh()
    const found = await this.#packs.idsWithPrefix(prefix)
    for (const id of await looseIdsWithPrefix(join(this.directory, 'objects'), prefix)) found.add(id)
    return [...found].sort()
  }

  /** The same where it is in memory: a view to be used at once. Undefined says nothing. */
  objectAtHand(id: ObjectId): RawObject | undefined {
    this.#assertOpen()
    return this.#packs.atHand(id)
  }

  /**
   * A place for new objects; see {@link StagedObjects}. Reads go to what is staged, then to the readers given (a pack in
   * quarantine), then to the repository.
   */
  stage(options: { readonly readers?: readonly ObjectReader[] } = {}): StagedObjects {
    this.#assertOpen()
    return new StagedObjects([...(options.readers ?? []), this], this.#packs, this.#cache)
  }

  /**
   * Takes one pack from a stranger into quarantine; see {@link QuarantinedPack}. The source must end with the pack.
   *
   * @throws REFUSED, STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE; errors of the source as they are
   */
  async receivePack(source: AsyncIterable<Uint8Array>, limits?: PackLimits): Promise<QuarantinedPack> {
    this.#assertOpen()
    return receivePack(source, join(this.directory, 'objects'), this.#files, this.#packs, limits)
  }

  /** The id that a ref below `refs/` names; see {@link Refs}. */
  async readRef(name: string): Promise<ObjectId | undefined> {
    return this.#refs.read(name)
  }

  /** Every ref whose name begins with the prefix, sorted by name. */
  async listRefs(prefix: string): Promise<Map<string, ObjectId>> {
    return this.#refs.list(prefix)
  }

  /** Every commit that its packs have, whether anything names it or not: reads all of them. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
  async listCommits(): Promise<CommitId[]> {
    return listCommits(join(this.directory, 'objects/pack'))
  }

  /** Every file of refs that is damaged. @throws NOT_ACCESSIBLE, STORAGE_FAILED */
  async checkRefs(): Promise<FileDamage[]> {
    return this.#refs.check()
  }

  /**
   * Compare-and-swap; `previous` undefined creates. Durable when it resolves. Where the commit is still being made durable,
   * `objects` is that. @throws CONFLICT and others: {@link Refs}
   */
  async updateRef(
    name: string,
    next: ObjectId,
    previous: ObjectId | undefined,
    objects?: Promise<unknown>,
  ): Promise<void> {
    await this.#refs.update(name, next, previous, objects)
  }

  /** Compare-and-delete. Durable when it resolves. @throws CONFLICT and others: {@link Refs} */
  async deleteRef(name: string, previous: ObjectId): Promise<void> {
    await this.#refs.delete(name, previous)
  }

  async #read(type: ObjectType, id: ObjectId): Promise<PackedBytes & { durable: boolean }> {
    const object = await this.#find(id, type)
    if (object.type !== type) throw missingObject(type, id)
    return object
  }

  /** Packs, then loose objects, then all again if packs have come or gone meanwhile. */
  async #find(id: ObjectId, wanted: ObjectType | 'object'): Promise<PackedBytes & { durable: boolean }> {
    this.#assertOpen()
    const atHand = this.#packs.atHand(id)
    if (atHand !== undefined) return { ...atHand, durable: true }
    for (let round = 0; round < 2; round++) {
      const packed = await this.#packs.read(id)
      if (packed !== undefined) return { ...packed, durable: true }
      const loose = await this.#readLoose(id)
      // Stock git does not sync loose objects.
      if (loose !== undefined) return { ...loose, durable: false }
      if (round > 0 || !(await this.#packs.refresh())) break
    }
    if (id === EMPTY_TREE) return { type: 'tree', bytes: Buffer.alloc(0), durable: true }
    throw missingObject(wanted, id)
  }

  async #readLoose(id: ObjectId): Promise<PackedBytes | undefined> {
    return readLooseObject(join(this.directory, 'objects'), id)
  }

  /** Its hash is right, so it was stored like this: by somebody else than us. */
  #parse<T>(id: ObjectId, parse: () => T): T {
    try {
      return parse()
    } catch (error) {
      throw translateDamage(error, `${this.directory}: object ${id}`)
    }
  }

  #assertOpen(): void {
    if (this.#closed) throw new AtollError('CLOSED', 'the repository is closed', { what: 'repository' })
  }
}
