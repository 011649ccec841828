import type { ObjectId } from '@atolldb/core'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'
import { INDEX_HEAD_BYTES, type MemoryPackIndex } from '../packs/pack-index.ts'

/** Every id of an index, in order. */
export function idsOf({ bytes, objectCount }: MemoryPackIndex): ObjectId[] {
  const at = (place: number): number => INDEX_HEAD_BYTES + place * OBJECT_ID_BYTES
  return Array.from({ length: objectCount }, (_, place) => bytes.toString('hex', at(place), at(place + 1)) as ObjectId)
}
