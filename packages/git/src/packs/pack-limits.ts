import {
  assert,
  MAX_COMMIT_OBJECT_BYTES,
  MAX_FETCH_PACK_BYTES,
  MAX_FETCH_PACK_OBJECTS,
  MAX_OBJECT_BYTES,
} from '@atolldb/core'

/** What a stranger's pack may be at most. */
export interface PackLimits {
  readonly packBytes: number
  readonly objects: number
  readonly objectBytes: number
  readonly commitBytes: number
  /** Of all objects together, inflated. */
  readonly inflatedBytes: number
}

export const packLimits: PackLimits = {
  packBytes: MAX_FETCH_PACK_BYTES,
  objects: MAX_FETCH_PACK_OBJECTS,
  objectBytes: MAX_OBJECT_BYTES,
  commitBytes: MAX_COMMIT_OBJECT_BYTES,
  // Our own packs are stored, so what fits is no larger inflated.
  inflatedBytes: MAX_FETCH_PACK_BYTES,
}

assert(MAX_FETCH_PACK_OBJECTS < 2 ** 21, 'the entries of a pack can be numbered by the index builder')
