import { assert, AtollError, EMPTY_TREE } from '@atolldb/core'
import type { CommitId, CommitObject, ObjectId, ObjectStore, TreeEntry } from '@atolldb/core'
import { encodeCommit, encodeTree, hashObject, parseCommit, parseTree, type ObjectType } from '@atolldb/git'

interface StoredObject {
  readonly type: ObjectType
  readonly bytes: Uint8Array
}

/**
 * An object store in memory, with the ids that git gives. It counts what is read and written, so that tests can hold an
 * algorithm to its cost.
 */
export class MemoryObjectStore implements ObjectStore {
  /** Objects read since the start or the last `resetCounters`, by type. */
  readonly reads = { blob: 0, tree: 0, commit: 0 }
  /** Objects written, those that were there already included. */
  readonly writes = { blob: 0, tree: 0, commit: 0 }
  readonly #objects = new Map<ObjectId, StoredObject>([[EMPTY_TREE, { type: 'tree', bytes: new Uint8Array() }]])

  /** How many different objects it holds, the empty tree included. */
  get size(): number {
    return this.#objects.size
  }

  resetCounters(): void {
    for (const type of ['blob', 'tree', 'commit'] as const) this.reads[type] = this.writes[type] = 0
  }

  /** Ids and types of all objects, in the order of writing. */
  *objects(): Generator<{ readonly id: ObjectId; readonly type: ObjectType; readonly bytes: Uint8Array }> {
    for (const [id, { type, bytes }] of this.#objects) yield { id, type, bytes }
  }

  /** Takes an object away, to see what a hole does. */
  delete(id: ObjectId): void {
    this.#objects.delete(id)
  }

  blobId(bytes: Uint8Array): ObjectId {
    return hashObject('blob', bytes)
  }

  async has(id: ObjectId): Promise<boolean> {
    return this.#objects.has(id)
  }

  async readBlob(id: ObjectId): Promise<Uint8Array> {
    return this.#read('blob', id)
  }

  async readTree(id: ObjectId): Promise<readonly TreeEntry[]> {
    return parseTree(this.#read('tree', id))
  }

  async readCommit(id: CommitId): Promise<CommitObject> {
    return parseCommit(this.#read('commit', id))
  }

  writeBlob(bytes: Uint8Array, id?: ObjectId): ObjectId {
    const written = this.#write('blob', new Uint8Array(bytes))
    assert(id === undefined || id === written, 'an id that comes with bytes is theirs')
    return written
  }

  writeTree(entries: readonly TreeEntry[]): ObjectId {
    return this.#write('tree', encodeTree(entries))
  }

  writeCommit(commit: CommitObject): CommitId {
    return this.#write('commit', encodeCommit(commit)) as CommitId
  }

  #read(type: ObjectType, id: ObjectId): Uint8Array {
    this.reads[type]++
    const object = this.#objects.get(id)
    if (object === undefined || object.type !== type)
      throw new AtollError('MISSING', `no ${type} ${id} in memory`, { what: type, id })
    return object.bytes
  }

  #write(type: ObjectType, bytes: Uint8Array): ObjectId {
    this.writes[type]++
    const id = hashObject(type, bytes)
    if (!this.#objects.has(id)) this.#objects.set(id, { type, bytes })
    return id
  }
}
