import { crc32 } from 'node:zlib'
import type { ObjectId } from '@atolldb/core'
import type { Pace } from '../compaction/pace.ts'
import type { RandomAccessFile } from '../files/windowed-files.ts'
import { unlessMalformed } from '../objects/malformed-object.ts'
import { hashObject } from '../objects/object-id.ts'
import { PACK_HEADER_BYTES } from '../packs/pack-format.ts'
import type { PackedBytes, PackEntry, PackFile } from '../packs/pack-file.ts'
import type { GrowingIndex } from './opened-pack.ts'

/** An object that was found whole. */
export interface FoundObject extends PackedBytes {
  readonly id: ObjectId
  readonly offset: number
  /** Of its entry's bytes in the pack. */
  readonly crc: number
}

/** Where nothing can be made of the bytes, or only a delta without its base. */
export interface Gap {
  readonly offset: number
}

/**
 * Reads a pack from its beginning without an index, an entry after the other. After damage it goes on where the next entry
 * can be read: a zlib stream carries a checksum, so what is taken for an object is one.
 */
export async function* walkPack(
  pack: PackFile,
  file: RandomAccessFile,
  index: GrowingIndex,
  pace: Pace,
  endsAt: number,
): AsyncGenerator<FoundObject | Gap> {
  let isLost = false
  for (let offset = PACK_HEADER_BYTES; offset < endsAt;) {
    if (pace.spent()) await pace.giveWay()
    const entry = await unlessMalformed(() => pack.entryAt(offset))
    if (entry === undefined) {
      if (!isLost) yield { offset }
      isLost = true
      offset++
      continue
    }
    isLost = false
    yield await foundAt(pack, file, index, offset, entry)
    offset = entry.end
  }
}

async function foundAt(
  pack: PackFile,
  file: RandomAccessFile,
  index: GrowingIndex,
  offset: number,
  { end }: PackEntry,
): Promise<FoundObject | Gap> {
  const object = await unlessMalformed(() => pack.resolve(offset))
  if (object === undefined) return { offset }
  const id = hashObject(object.type, object.bytes)
  index.add(id, offset)
  return { ...object, id, offset, crc: crc32(await file.read(offset, end - offset)) }
}
