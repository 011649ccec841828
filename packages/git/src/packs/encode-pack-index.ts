import { createHash } from 'node:crypto'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { CHECKSUM_BYTES, FANOUT_BYTES, INDEX_HEADER_BYTES, indexMagic } from './pack-format.ts'
import { sortedOrder } from './sorted-order.ts'

/** A pack's entries in columns, in any order; what lies beyond `count` is not read. */
export interface IndexColumns {
  readonly count: number
  /** In binary, one after the other. */
  readonly ids: Buffer
  /** CRC-32 of the entry's bytes in the pack. */
  readonly crcs: Uint32Array
  readonly offsets: Float64Array
}

/** Long work gives way now and then: `TimeSlice`, or what can also be stopped. */
interface Slices {
  spent(): boolean
  giveWay(): Promise<void>
}

const ENTRIES_A_STEP = 8192
const HASHED_A_STEP = 1024 * 1024

/** The index file of a pack (format: pack-format.ts); undefined when two entries have one id. */
export function encodePackIndex(columns: IndexColumns, packChecksum: Uint8Array): Buffer | undefined {
  const steps = encodingSteps(columns, packChecksum)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
  }
}

/** The same, giving way to the event loop: a million entries take most of a second. */
export async function encodePackIndexInSlices(
  columns: IndexColumns,
  packChecksum: Uint8Array,
  slice: Slices,
): Promise<Buffer | undefined> {
  const steps = encodingSteps(columns, packChecksum)
  for (;;) {
    const step = steps.next()
    if (step.done === true) return step.value
    if (slice.spent()) await slice.giveWay()
  }
}

function* encodingSteps(
  { count, ids, crcs, offsets }: IndexColumns,
  packChecksum: Uint8Array,
): Generator<void, Buffer | undefined, undefined> {
  const compare = (a: number, b: number): number => compareIds(ids, a, b)
  // Ids are as good as random in their first 32 bits.
  const order = yield* sortedOrder(count, 2 ** 32, number => ids.readUInt32BE(number * OBJECT_ID_BYTES), compare)
  yield
  let large = 0
  for (let i = 0; i < order.length; i++) {
    if (i % ENTRIES_A_STEP === 0) yield
    if (i > 0 && compare(order[i - 1]!, order[i]!) === 0) return undefined
    if (offsets[order[i]!]! >= 2 ** 31) large++
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
    counts[ids[idAt]!]!++
    ids.copy(bytes, idsAt + place * OBJECT_ID_BYTES, idAt, idAt + OBJECT_ID_BYTES)
    bytes.writeUInt32BE(crcs[number]!, crcsAt + place * 4)
    const offset = offsets[number]!
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

function compareIds(ids: Buffer, a: number, b: number): number {
  const idA = a * OBJECT_ID_BYTES
  const idB = b * OBJECT_ID_BYTES
  return ids.compare(ids, idB, idB + OBJECT_ID_BYTES, idA, idA + OBJECT_ID_BYTES)
}
