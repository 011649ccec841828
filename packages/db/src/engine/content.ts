import { AtollError, canonicalJson, MAX_VALUE_BYTES, type ObjectId } from '@atolldb/core'
import { hashObject } from '@atolldb/git'
import type { ViewContent } from '../view/encoding.ts'

/** A value as it is stored. @throws INVALID, TOO_LARGE */
export function valueToContent(value: unknown): ViewContent {
  if (value instanceof Uint8Array) {
    if (value.length > MAX_VALUE_BYTES)
      throw new AtollError('TOO_LARGE', `value: ${value.length} bytes, at most ${MAX_VALUE_BYTES}`, {
        what: 'value',
        limit: MAX_VALUE_BYTES,
        actual: value.length,
      })
    // A copy: the caller may change its array while ours waits to be written.
    return { format: 'bytes', bytes: Uint8Array.from(value) }
  }
  return { format: 'json', bytes: Buffer.from(canonicalJson(value), 'utf8') }
}

/** A value of the caller's own. */
export function contentToValue<T>(content: ViewContent): T {
  const { bytes } = content
  if (content.format === 'bytes') return Uint8Array.from(bytes) as T
  return JSON.parse(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('utf8')) as T
}

/** A record's version: the id of its content's git blob. */
export function contentVersion(content: ViewContent): ObjectId {
  return (content.version ??= hashObject('blob', content.bytes))
}
