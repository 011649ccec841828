import type { ObjectId, TreeEntry } from '@atolldb/core'

/** Of contents, and what keeping them costs beside that. Two packs at a time are in quarantine. */
const MAX_BYTES = 12 * 1024 * 1024
const OBJECT_OVERHEAD_BYTES = 200
const TREE_ENTRY_BYTES = 180
const CHUNK_BYTES = 128 * 1024

/**
 * What was inflated and parsed while a pack was received, as far as a bounded part of memory holds it: most packs whole. They
 * are read several times before they are part of the repository, and each of these reads would inflate and hash again.
 */
export class KeptContents {
  readonly #blobs = new Map<ObjectId, Uint8Array>()
  readonly #trees = new Map<ObjectId, readonly TreeEntry[]>()
  #left = MAX_BYTES
  #chunk = Buffer.alloc(0)
  #used = 0

  /** Takes a copy: small views would keep large buffers alive. */
  keepBlob(id: ObjectId, bytes: Uint8Array): void {
    if (this.#take(bytes.length)) this.#blobs.set(id, this.#copy(bytes))
  }

  keepTree(id: ObjectId, entries: readonly TreeEntry[]): void {
    if (this.#take(entries.length * TREE_ENTRY_BYTES)) this.#trees.set(id, entries)
  }

  blob(id: ObjectId): Uint8Array | undefined {
    return this.#blobs.get(id)
  }

  tree(id: ObjectId): readonly TreeEntry[] | undefined {
    return this.#trees.get(id)
  }

  #take(bytes: number): boolean {
    if (OBJECT_OVERHEAD_BYTES + bytes > this.#left) return false
    this.#left -= OBJECT_OVERHEAD_BYTES + bytes
    return true
  }

  #copy(bytes: Uint8Array): Uint8Array {
    if (this.#used + bytes.length > this.#chunk.length) {
      this.#chunk = Buffer.allocUnsafeSlow(Math.max(CHUNK_BYTES, bytes.length))
      this.#used = 0
    }
    const end = this.#used + bytes.length
    const copy = this.#chunk.subarray(this.#used, end)
    copy.set(bytes)
    this.#used = end
    return copy
  }
}
