import { LRUCache } from 'lru-cache'
import type { CommitId, CommitObject, ObjectId, ObjectReader, TreeEntry } from '@atolldb/core'
import type { QuarantinedPack } from '@atolldb/git'

/** Tree entries that are kept parsed. */
const CACHED_ENTRIES = 50_000

/** Reads a pack while it is verified and adopted: each tree is asked for several times. */
export class PackReader implements ObjectReader {
  readonly #pack: QuarantinedPack
  readonly #trees = new LRUCache<ObjectId, readonly TreeEntry[]>({
    maxSize: CACHED_ENTRIES,
    sizeCalculation: entries => 1 + entries.length,
  })

  constructor(pack: QuarantinedPack) {
    this.#pack = pack
  }

  async has(id: ObjectId): Promise<boolean> {
    return this.#pack.holds(id)
  }

  blobId(bytes: Uint8Array): ObjectId {
    return this.#pack.blobId(bytes)
  }

  blobAtHand(id: ObjectId): Uint8Array | undefined {
    return this.#pack.blobAtHand(id)
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
