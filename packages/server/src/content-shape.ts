import { invalid, type JsonValue } from '@atolldb/core'

/** A value inside a JSON answer or request: bytes are base64. */
export type ContentShape = { readonly value: unknown } | { readonly bytes: string }

export function contentShape(value: unknown): ContentShape {
  return value instanceof Uint8Array ? { bytes: Buffer.from(value).toString('base64') } : { value }
}

/** The value of `bytes`. @throws INVALID */
export function parseBase64(base64: JsonValue): Uint8Array {
  if (typeof base64 !== 'string') throw invalid('bytes', 'must be a string')
  const bytes = Buffer.from(base64, 'base64')
  // Buffer skips what is not base64; an exact copy proves that nothing was.
  if (bytes.toString('base64') !== base64) throw invalid('bytes', 'must be padded base64')
  return new Uint8Array(bytes)
}
