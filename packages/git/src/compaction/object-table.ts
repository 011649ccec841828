import { assert, type ObjectId } from '@atolldb/core'
import { OBJECT_ID_BYTES, type ObjectType } from '../objects/object-id.ts'

/** How an object stands in its source. */
export const entryForms = { stored: 0, deflated: 1, delta: 2, unusableDelta: 3 } as const
export type EntryForm = (typeof entryForms)[keyof typeof entryForms]

export const objectTypes: readonly ObjectType[] = ['blob', 'tree', 'commit']

/**
 * The objects of a merge, each once, numbered in the order in which they are written: by source, oldest first, and in each by
 * offset. In columns, so that a million are 80 MB.
 */
export class ObjectTable {
  readonly sources: Uint16Array
  readonly offsets: Float64Array
  /** Of the entry in its source, in bytes. */
  readonly lengths: Float64Array
  /** Of the entry in its source; once it is written, of that. */
  readonly crcs: Uint32Array
  readonly types: Uint8Array
  readonly forms: Uint8Array
  /** The object that it is a delta upon in its source; -1 for none. */
  readonly bases: Int32Array
  /** The same in the merged pack. */
  readonly writtenBases: Int32Array
  /** The object that was at the same path before; -1 where it is not known. */
  readonly predecessors: Int32Array
  /** Deltas below it, in the merged pack. */
  readonly depths: Uint8Array
  /** In the merged pack; 0 while it is not written. */
  readonly writtenAt: Float64Array
  readonly ids: Buffer
  readonly #slots: Int32Array
  #count = 0

  constructor(capacity: number) {
    this.sources = new Uint16Array(capacity)
    this.offsets = new Float64Array(capacity)
    this.lengths = new Float64Array(capacity)
    this.crcs = new Uint32Array(capacity)
    this.types = new Uint8Array(capacity)
    this.forms = new Uint8Array(capacity)
    this.bases = new Int32Array(capacity)
    this.writtenBases = new Int32Array(capacity)
    this.predecessors = new Int32Array(capacity)
    this.depths = new Uint8Array(capacity)
    this.writtenAt = new Float64Array(capacity)
    this.ids = Buffer.alloc(capacity * OBJECT_ID_BYTES)
    this.#slots = new Int32Array(2 ** Math.ceil(Math.log2(Math.max(2, capacity * 1.5))))
  }

  get count(): number {
    return this.#count
  }

  /** The number of the object whose binary id stands there; -1 when there is none. */
  find(bytes: Buffer, at: number): number {
    return this.#slots[this.#slot(bytes, at)]! - 1
  }

  idOf(number: number): ObjectId {
    return this.ids.toString('hex', number * OBJECT_ID_BYTES, (number + 1) * OBJECT_ID_BYTES) as ObjectId
  }

  typeOf(number: number): ObjectType {
    return objectTypes[this.types[number]!]!
  }

  /** Its number; the caller fills the columns in. */
  add(bytes: Buffer, at: number): number {
    const slot = this.#slot(bytes, at)
    assert(this.#slots[slot] === 0, 'an object is added once')
    const number = this.#count++
    bytes.copy(this.ids, number * OBJECT_ID_BYTES, at, at + OBJECT_ID_BYTES)
    this.#slots[slot] = number + 1
    return number
  }

  /** Where it stands, or would. Ids are as good as random in their first bytes. */
  #slot(bytes: Buffer, at: number): number {
    const mask = this.#slots.length - 1
    for (let slot = bytes.readUInt32LE(at) & mask; ; slot = (slot + 1) & mask) {
      const taken = this.#slots[slot]!
      if (taken === 0) return slot
      const idAt = (taken - 1) * OBJECT_ID_BYTES
      if (this.ids.compare(bytes, at, at + OBJECT_ID_BYTES, idAt, idAt + OBJECT_ID_BYTES) === 0) return slot
    }
  }
}
