import type { ObjectId } from '@atolldb/core'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import type { IndexColumns } from './encode-pack-index.ts'

/** Collects a pack's entries, in columns so that a million are 36 MB, for its index. */
export class PackIndexBuilder {
  #ids = Buffer.allocUnsafe(64 * OBJECT_ID_BYTES)
  #crcs = new Uint32Array(64)
  #offsets = new Float64Array(64)
  #count = 0

  get count(): number {
    return this.#count
  }

  /** @param crc CRC-32 of the entry's bytes in the pack */
  add(id: ObjectId, offset: number, crc: number): void {
    if (this.#count === this.#crcs.length) this.#grow()
    this.#ids.write(id, this.#count * OBJECT_ID_BYTES, 'hex')
    this.#crcs[this.#count] = crc
    this.#offsets[this.#count] = offset
    this.#count++
  }

  /** In the order of adding. */
  idAt(number: number): ObjectId {
    return this.#ids.toString('hex', number * OBJECT_ID_BYTES, (number + 1) * OBJECT_ID_BYTES) as ObjectId
  }

  offsetAt(number: number): number {
    return this.#offsets[number]!
  }

  get columns(): IndexColumns {
    return { count: this.#count, ids: this.#ids, crcs: this.#crcs, offsets: this.#offsets }
  }

  #grow(): void {
    const capacity = this.#crcs.length * 2
    const ids = Buffer.allocUnsafe(capacity * OBJECT_ID_BYTES)
    this.#ids.copy(ids)
    this.#ids = ids
    const crcs = new Uint32Array(capacity)
    crcs.set(this.#crcs)
    this.#crcs = crcs
    const offsets = new Float64Array(capacity)
    offsets.set(this.#offsets)
    this.#offsets = offsets
  }
}
