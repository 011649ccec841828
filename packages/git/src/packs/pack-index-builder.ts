import { createHash } from 'node:crypto'
import type { ObjectId } from '@atolldb/core'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { CHECKSUM_BYTES, FANOUT_BYTES, INDEX_HEADER_BYTES, indexMagic } from './pack-format.ts'
import { sortedOrder } from './sorted-order.ts'

/** Long work gives way now and then: `TimeSlice`, or what can also be stopped. */
interface Slices {
  spent(): boolean
  giveWay(): Promise<void>
}

const ENTRIES_A_STEP = 8192
const HASHED_A_STEP = 1024 * 1024

/** Collects a pack's entries, in columns so that a million are 36 MB, and makes the index. */
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

  /** The same with an id in binary, at a place of some bytes. */
  addBinary(ids: Buffer, at: number, offset: number, crc: number): void {
    if (this.#count === this.#crcs.length) this.#grow()
    ids.copy(this.#ids, this.#count * OBJECT_ID_BYTES, at, at + OBJECT_ID_BYTES)
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

  /** The index file; undefined when two entries have one id. */
  build(packChecksum: Uint8Array): Buffer | undefined {
    const steps = this.#build(packChecksum)
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
    }
  }

  /** The same, giving way to the event loop: a million entries take most of a second. */
  async buildInSlices(packChecksum: Uint8Array, slice: Slices): Promise<Buffer | undefined> {
    const steps = this.#build(packChecksum)
    for (;;) {
      const step = steps.next()
      if (step.done === true) return step.value
      if (slice.spent()) await slice.giveWay()
    }
  }

  *#build(packChecksum: Uint8Array): Generator<void, Buffer | undefined, undefined> {
    // Ids are as good as random in their first 32 bits.
    const order = yield* sortedOrder(
      this.#count,
      2 ** 32,
      number => this.#ids.readUInt32BE(number * OBJECT_ID_BYTES),
      (a, b) => this.#compare(a, b),
    )
    yield
    let large = 0
    for (let i = 0; i < order.length; i++) {
      if (i % ENTRIES_A_STEP === 0) yield
      if (i > 0 && this.#compare(order[i - 1]!, order[i]!) === 0) return undefined
      if (this.#offsets[order[i]!]! >= 2 ** 31) large++
    }
    const idsAt = INDEX_HEADER_BYTES + FANOUT_BYTES
    const crcsAt = idsAt + order.length * OBJECT_ID_BYTES
    const offsetsAt = crcsAt + order.length * 4
    const largeAt = offsetsAt + order.length * 4
    const end = largeAt + large * 8
    const bytes = Buffer.allocUnsafe(end + 2 * CHECKSUM_BYTES)
    indexMagic.copy(bytes)
    const counts = new Uint32Array(256)
    let largeNumber = 0
    for (let place = 0; place < order.length; place++) {
      if (place % ENTRIES_A_STEP === 0) yield
      const number = order[place]!
      const idAt = number * OBJECT_ID_BYTES
      counts[this.#ids[idAt]!]!++
      this.#ids.copy(bytes, idsAt + place * OBJECT_ID_BYTES, idAt, idAt + OBJECT_ID_BYTES)
      bytes.writeUInt32BE(this.#crcs[number]!, crcsAt + place * 4)
      const offset = this.#offsets[number]!
      if (offset >= 2 ** 31) {
        bytes.writeBigUInt64BE(BigInt(offset), largeAt + largeNumber * 8)
        bytes.writeUInt32BE(0x8000_0000 + largeNumber++, offsetsAt + place * 4)
      } else bytes.writeUInt32BE(offset, offsetsAt + place * 4)
    }
    yield
    let sum = 0
    for (let slot = 0; slot < 256; slot++) bytes.writeUInt32BE((sum += counts[slot]!), INDEX_HEADER_BYTES + slot * 4)
    bytes.set(packChecksum, end)
    const sha1 = createHash('sha1')
    for (let at = 0; at < end + CHECKSUM_BYTES; at += HASHED_A_STEP) {
      sha1.update(bytes.subarray(at, Math.min(at + HASHED_A_STEP, end + CHECKSUM_BYTES)))
      yield
    }
    bytes.set(sha1.digest(), end + CHECKSUM_BYTES)
    return bytes
  }

  #compare(a: number, b: number): number {
    const idA = a * OBJECT_ID_BYTES
    const idB = b * OBJECT_ID_BYTES
    return this.#ids.compare(this.#ids, idB, idB + OBJECT_ID_BYTES, idA, idA + OBJECT_ID_BYTES)
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
