import { AtollError, EMPTY_TREE } from '@atolldb/core'
import type { CommitId, CommitObject, ObjectId, ObjectStore, TreeEntry } from '@atolldb/core'
import { encodeCommit, encodeTree, hashObject, parseTree, type ObjectType } from '@atolldb/git'

/** An object as it is kept and sent: its parsed form, and how many bytes git's form of it has. */
export interface SimulatedObject {
  readonly id: ObjectId
  readonly type: ObjectType
  readonly content: Uint8Array | readonly TreeEntry[] | CommitObject
  readonly sizeBytes: number
}

/**
 * Objects in memory, in layers: what is written goes to the top one, and what is read comes from it or those below. The
 * ids are git's; parsed forms are shared by all nodes, since nobody changes them.
 */
export class LayeredObjects implements ObjectStore {
  readonly #below: LayeredObjects | undefined
  readonly #own = new Map<ObjectId, SimulatedObject>()

  constructor(below?: LayeredObjects) {
    this.#below = below
    if (below === undefined) this.#own.set(EMPTY_TREE, { id: EMPTY_TREE, type: 'tree', content: [], sizeBytes: 0 })
  }

  /** A layer on top, whose writes leave this one as it is. */
  stage(): LayeredObjects {
    return new LayeredObjects(this)
  }

  /** Those of this layer. */
  own(): IterableIterator<SimulatedObject> {
    return this.#own.values()
  }

  get(id: ObjectId): SimulatedObject | undefined {
    return this.#own.get(id) ?? this.#below?.get(id)
  }

  put(object: SimulatedObject): void {
    this.#own.set(object.id, object)
  }

  delete(id: ObjectId): void {
    this.#own.delete(id)
  }

  hasNow(id: ObjectId): boolean {
    return this.get(id) !== undefined
  }

  async has(id: ObjectId): Promise<boolean> {
    return this.hasNow(id)
  }

  blobId(bytes: Uint8Array): ObjectId {
    return hashObject('blob', bytes)
  }

  async readBlob(id: ObjectId): Promise<Uint8Array> {
    return this.#read('blob', id) as Uint8Array
  }

  async readTree(id: ObjectId): Promise<readonly TreeEntry[]> {
    return this.#read('tree', id) as readonly TreeEntry[]
  }

  async readCommit(id: CommitId): Promise<CommitObject> {
    return this.#read('commit', id) as CommitObject
  }

  writeBlob(bytes: Uint8Array): ObjectId {
    return this.#write('blob', bytes, bytes)
  }

  writeTree(entries: readonly TreeEntry[]): ObjectId {
    const encoded = encodeTree(entries)
    return this.#write('tree', encoded, parseTree(encoded))
  }

  writeCommit(commit: CommitObject): CommitId {
    return this.#write('commit', encodeCommit(commit), commit) as CommitId
  }

  #read(type: ObjectType, id: ObjectId): SimulatedObject['content'] {
    const object = this.get(id)
    if (object?.type !== type) throw new AtollError('MISSING', `no ${type} ${id}`, { what: type, id })
    return object.content
  }

  #write(type: ObjectType, encoded: Uint8Array, content: SimulatedObject['content']): ObjectId {
    const id = hashObject(type, encoded)
    if (!this.hasNow(id)) this.#own.set(id, { id, type, content, sizeBytes: encoded.length })
    return id
  }
}
