import { monotonicFactory } from 'ulid'
import type { Environment, RecordId } from '@atolldb/core'

/** Makes ids for List records: ULIDs in lower case that grow with every call. */
export type NextListId = () => RecordId

/** Ids for List records: ULIDs (github.com/ulid/spec) in lower case, each greater than the one before it. */
export function listIdSource(environment: Environment): NextListId {
  const random = (): number => {
    const bytes = environment.randomBytes(4)
    return new DataView(bytes.buffer, bytes.byteOffset, 4).getUint32(0) / 2 ** 32
  }
  const next = monotonicFactory(random)
  return () => next(environment.nowMs()).toLowerCase() as RecordId
}
