import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { MalformedObject } from '../objects/malformed-object.ts'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { CHECKSUM_BYTES, PACK_HEADER_BYTES } from '../packs/pack-format.ts'
import type { PackFile } from '../packs/pack-file.ts'
import { INDEX_HEAD_BYTES, IndexLayout, MemoryPackIndex } from '../packs/pack-index.ts'
import { sortedOrder } from '../packs/sorted-order.ts'
import type { Pace } from './pace.ts'

const LARGE_OFFSET = 0x8000_0000
const HASHED_A_STEP = 1024 * 1024

/** What the index of a pack says, in the order of the pack. Format: packs/pack-format.ts. */
export interface SourceIndex {
  readonly count: number
  readonly packChecksum: Buffer
  /** Holds the ids, in binary. */
  readonly bytes: Buffer
  /** Where the i-th object's id stands. */
  idAt(i: number): number
  crcOf(i: number): number
  /** Offsets, ascending. */
  readonly offsets: Float64Array
}

/** @throws MalformedObject; system errors; ABORTED */
export async function readSourceIndex({ file, index }: PackFile, pace: Pace): Promise<SourceIndex> {
  const packBytes = file.sizeBytes
  // One that is in memory was verified when it was taken in.
  const isInMemory = index instanceof MemoryPackIndex
  const bytes = isInMemory ? index.bytes : await readFile(file.path.replace(/\.pack$/, '.idx'))
  const layout = new IndexLayout(bytes.subarray(0, INDEX_HEAD_BYTES), bytes.length)
  if (!isInMemory) await verifyChecksum(bytes, pace)
  const offsetOf = (place: number): number => {
    const offset = bytes.readUInt32BE(layout.offsetsAt + place * 4)
    if (offset < LARGE_OFFSET) return offset
    const at = layout.largeAt + (offset - LARGE_OFFSET) * 8
    if (at + 8 > layout.packChecksumAt) throw new MalformedObject('a pack index with a lost offset')
    return Number(bytes.readBigUInt64BE(at))
  }
  const count = layout.objectCount
  for (let place = 0; place < count; place++) {
    if (place % 65_536 === 65_535) await pace.step()
    const offset = offsetOf(place)
    if (offset < PACK_HEADER_BYTES || offset >= packBytes - CHECKSUM_BYTES)
      throw new MalformedObject('an offset outside of the pack')
  }
  const order = await pace.run(sortedOrder(count, packBytes, offsetOf))
  const offsets = new Float64Array(count)
  for (let i = 0; i < count; i++) {
    if (i % 65_536 === 65_535) await pace.step()
    offsets[i] = offsetOf(order[i]!)
    if (i > 0 && offsets[i] === offsets[i - 1]) throw new MalformedObject('a pack index with an offset twice')
  }
  return {
    count,
    packChecksum: bytes.subarray(layout.packChecksumAt, layout.packChecksumAt + CHECKSUM_BYTES),
    bytes,
    idAt: i => layout.idsAt + order[i]! * OBJECT_ID_BYTES,
    crcOf: i => bytes.readUInt32BE(layout.crcsAt + order[i]! * 4),
    offsets,
  }
}

async function verifyChecksum(bytes: Buffer, pace: Pace): Promise<void> {
  const sha1 = createHash('sha1')
  const end = bytes.length - CHECKSUM_BYTES
  for (let at = 0; at < end; at += HASHED_A_STEP) {
    sha1.update(bytes.subarray(at, Math.min(at + HASHED_A_STEP, end)))
    await pace.step()
  }
  if (sha1.digest().compare(bytes, end) !== 0) throw new MalformedObject('a pack index whose checksum is wrong')
}
