import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import { AtollError, assert } from '@atolldb/core'
import type { CommitId, CommitObject, ObjectId, ObjectReader, TreeEntry } from '@atolldb/core'
import { allDone } from '../files/all-done.ts'
import { randomSuffix, syncFile, writeNewFile } from '../files/durable-files.ts'
import { fileInMemory, type WindowedFiles } from '../files/windowed-files.ts'
import { parseCommit } from '../objects/commit.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import { hashObject, type ObjectType } from '../objects/object-id.ts'
import { parseTree } from '../objects/tree.ts'
import { PackFile } from '../packs/pack-file.ts'
import { MemoryPackIndex } from '../packs/pack-index.ts'
import { packLimits, type PackLimits } from '../packs/pack-limits.ts'
import { receivePackBytes, type PackedObject, type ReceivedPack } from '../packs/received-pack.ts'
import { installPack, writePack } from './install-pack.ts'
import { copyOut, missingObject } from './object-reading.ts'
import { translateDamage, type PackDirectory } from './pack-directory.ts'

/** Directories in `objects/` that hold what is not verified yet; removed when the repository is opened. */
export const QUARANTINE_PREFIX = 'quarantine-'

/**
 * A pack from a stranger, in memory, or in a directory of its own where nobody else looks. Its objects are well-formed, hash to their
 * ids and can be read; whether they make sense is for the reader to find out, and then to `adopt` or `discard`.
 */
export class QuarantinedPack implements ObjectReader {
  /** The hexadecimal checksum of the pack, computed by us. */
  readonly name: string
  readonly sizeBytes: number
  readonly objectCount: number
  readonly #directory: string
  readonly #received: ReceivedPack
  readonly #index: MemoryPackIndex
  readonly #pack: PackFile
  readonly #packs: PackDirectory
  #state: 'quarantined' | 'adopting' | 'adopted' | 'failed' | 'discarded' = 'quarantined'

  constructor(directory: string, received: ReceivedPack, files: WindowedFiles, packs: PackDirectory) {
    this.name = received.name
    this.sizeBytes = received.sizeBytes
    this.objectCount = received.table.count
    this.#directory = directory
    this.#received = received
    this.#packs = packs
    this.#index = new MemoryPackIndex(received.index)
    const path = packPath(directory)
    const { bytes, sizeBytes } = received
    this.#pack = new PackFile(
      bytes === undefined ? files.file(path, sizeBytes) : fileInMemory(path, bytes),
      this.#index,
    )
  }

  /** Was it small enough to need no file? Then it can be read while it is adopted. */
  get isInMemory(): boolean {
    return this.#received.bytes !== undefined
  }

  /** Every object, in the order of the pack. */
  objects(): Generator<PackedObject, void, undefined> {
    return this.#received.table.objects()
  }

  /** The commits' ids, in the order of the pack. */
  commits(): CommitId[] {
    return Array.from(this.#received.table.objects('commit'), ({ id }) => id as CommitId)
  }

  blobId(bytes: Uint8Array): ObjectId {
    return hashObject('blob', bytes)
  }

  async has(id: ObjectId): Promise<boolean> {
    return this.holds(id)
  }

  /** Is the object one of the pack's, and can be read? Without a promise, for those who ask for many. */
  holds(id: ObjectId): boolean {
    return this.#state !== 'discarded' && this.#index.find(id) !== undefined
  }

  /** Good for as long as it is held on to. */
  blobAtHand(id: ObjectId): Uint8Array | undefined {
    return this.#received.kept.blob(id)
  }

  async readBlob(id: ObjectId): Promise<Uint8Array> {
    return copyOut(this.#received.kept.blob(id) ?? (await this.#read('blob', id)))
  }

  async readTree(id: ObjectId): Promise<readonly TreeEntry[]> {
    return this.#received.kept.tree(id) ?? parseTree(await this.#read('tree', id))
  }

  async readCommit(id: CommitId): Promise<CommitObject> {
    return parseCommit(await this.#read('commit', id))
  }

  /**
   * Makes the pack part of the repository; durable when it resolves, and complete at every instant. A pack of that name
   * that is there already stays as it is. Only for packs whose objects refer to nothing that is missing.
   *
   * @throws STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE; then it can only be discarded, and received again
   */
  async adopt(): Promise<void> {
    assert(this.#state === 'quarantined', 'a pack is adopted or discarded once')
    this.#state = 'adopting'
    try {
      const { index, bytes } = this.#received
      const isOurs = await this.#install()
      const written = { index, sizeBytes: this.sizeBytes, chunks: bytes && [bytes] }
      await this.#packs.add(this.name, isOurs ? written : undefined)
    } catch (error) {
      this.#state = 'failed'
      throw error
    }
    this.#state = 'adopted'
    await this.#removeDirectory()
  }

  /** Are the files in place the ones that were received? */
  async #install(): Promise<boolean> {
    const { name, objectCount } = this
    const { bytes, index } = this.#received
    if (bytes !== undefined) return writePack(this.#packs.path, { name, objectCount, chunks: [bytes], index })
    const paths = { pack: packPath(this.#directory), index: join(this.#directory, 'pack.idx') }
    await allDone([syncFile(paths.pack), writeNewFile(paths.index, [index], { mode: 0o444 })])
    await this.#pack.file.release()
    return installPack(this.#packs.path, name, paths)
  }

  /** Removes it. Reading is over. Does nothing once it is adopted. */
  async discard(): Promise<void> {
    if (this.#state === 'adopted' || this.#state === 'discarded') return
    assert(this.#state !== 'adopting', 'a pack is not discarded while it is adopted')
    this.#state = 'discarded'
    await this.#pack.file.release()
    await this.#removeDirectory()
  }

  async #read(type: ObjectType, id: ObjectId): Promise<Buffer> {
    assert(this.#state !== 'discarded' && this.#state !== 'failed', 'a pack that is gone is not read')
    const object = this.#state === 'adopted' ? await this.#packs.read(id) : await this.#readQuarantined(id)
    if (object?.type !== type) throw missingObject(type, id)
    return object.bytes
  }

  async #readQuarantined(id: ObjectId): Promise<{ type: ObjectType; bytes: Buffer } | undefined> {
    const offset = this.#index.find(id)
    if (offset === undefined) return undefined
    try {
      return await this.#pack.read(id, offset)
    } catch (error) {
      throw translateDamage(error, this.#pack.file.path)
    }
  }

  async #removeDirectory(): Promise<void> {
    if (this.#received.bytes !== undefined) return
    // What stays behind is removed at the next open.
    await rm(this.#directory, { recursive: true, force: true }).catch(() => {})
  }
}

function packPath(directory: string): string {
  return join(directory, 'pack.tmp')
}

/**
 * Receives exactly one pack into quarantine, checking it as `receivePackBytes` does.
 *
 * @throws REFUSED with the reason of the first violation; STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE; errors of the
 * source as they are. Nothing is left behind.
 */
export async function receivePack(
  source: AsyncIterable<Uint8Array>,
  objectsDirectory: string,
  files: WindowedFiles,
  packs: PackDirectory,
  limits: PackLimits = packLimits,
): Promise<QuarantinedPack> {
  const directory = join(objectsDirectory, `${QUARANTINE_PREFIX}${randomSuffix()}`)
  try {
    return new QuarantinedPack(directory, await receivePackBytes(source, packPath(directory), limits), files, packs)
  } catch (error) {
    await rm(directory, { recursive: true, force: true }).catch(() => {})
    if (!(error instanceof MalformedObject)) throw error
    throw new AtollError('REFUSED', `a pack is refused: ${error.message}`, { reason: error.message }, { cause: error })
  }
}
