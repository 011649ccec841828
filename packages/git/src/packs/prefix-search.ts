import type { ObjectId } from '@atolldb/core'
import { OBJECT_ID_BYTES } from '../objects/object-id.ts'

/** The ids of a sorted table, as they are, from a place on. */
export type ReadIds = (place: number, count: number) => Buffer | Promise<Buffer>

const IDS_A_READ = 256

/** Ids that begin with some hexadecimal digits, in the places from `from` up to `to`: costs a binary search, and what it gives. */
export async function idsWithPrefix(
  read: ReadIds,
  [from, to]: readonly [from: number, to: number],
  prefix: string,
): Promise<ObjectId[]> {
  let [low, high] = [from, to]
  while (low < high) {
    const middle = (low + high) >>> 1
    // What begins with the prefix is longer, and so after it.
    if ((await read(middle, 1)).toString('hex') < prefix) low = middle + 1
    else high = middle
  }
  const found: ObjectId[] = []
  for (let place = low; place < to; place += IDS_A_READ) {
    const ids = await read(place, Math.min(IDS_A_READ, to - place))
    for (let at = 0; at < ids.length; at += OBJECT_ID_BYTES) {
      const id = ids.toString('hex', at, at + OBJECT_ID_BYTES)
      if (!id.startsWith(prefix)) return found
      found.push(id as ObjectId)
    }
  }
  return found
}
