import { AtollError, type ObjectId } from '@atolldb/core'
import type { ObjectType } from '../objects/object-id.ts'

/** There is no object of that type with that id; an object of another type is none. */
export function missingObject(type: ObjectType | 'object', id: ObjectId): AtollError<'MISSING'> {
  return new AtollError('MISSING', `no ${type} ${id}`, { what: type, id })
}

/** Small views keep large windows alive: what leaves the package stands alone. */
export function copyOut(bytes: Uint8Array): Uint8Array {
  return bytes.length * 2 < bytes.buffer.byteLength ? Buffer.from(bytes) : bytes
}
