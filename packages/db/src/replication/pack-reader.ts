import { LRUCache } from 'lru-cache'
import type { CommitId, CommitObject, ObjectId, ObjectReader, TreeEntry } from '@atolldb/core'
import type { QuarantinedPack } from '@atolldb/git'

/** Of packs of more objects no list of ids is kept in memory. */
const MAX_LISTED_OBJECTS = 200_000
/** Tree entries that are kept parsed. */
const CACHED_ENTRIES = 50_000

/** Reads a pack while it is verified: each tree is asked for several times, and most of what is asked for is not there. */
export class PackReader implements ObjectReader {
  readonly #pack: QuarantinedPack
  readonly #ids: ReadonlySet<ObjectId> | undefined
  readonly #trees = new LRUCache<ObjectId, readonly TreeEntry[]>({
    maxSize: CACHED_ENTRIES,
    sizeCalculation: entries => 1 + entries.length,
  })

  constructor(pack: QuarantinedPack) {
    this.#pack = pack
    if (pack.objectCount <= MAX_LISTED_OBJECTS) this.#ids = new Set([...pack.objects()].map(({ id }) => id))
  }

  async has(id: ObjectId): Promise<boolean> {
    return this.#ids === undefined ? this.#pack.has(id) : this.#ids.has(id)
  }

  blobId(bytes: Uint8Array): ObjectId {
    return this.#pack.blobId(bytes)
  }

  readBlob(id: ObjectId): Promise<Uint8Array> {
    return this.#pack.readBlob(id)
  }

  async readTree(id: ObjectId): Promise<readonly TreeEntry[]> {
    let entries = this.#trees.get(id)
    if (entries === undefined) this.#trees.set(id, (entries = await this.#pack.readTree(id)))
    return entries
  }

  readCommit(id: CommitId): Promise<CommitObject> {
    return this.#pack.readCommit(id)
  }
}
