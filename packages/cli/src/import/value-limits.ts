import type { JsonValue } from '@atolldb/core'
import { AtollError } from '@atolldb/core/errors'
import { canonicalJson } from '@atolldb/core/json'
import { MAX_VALUE_BYTES } from '@atolldb/core/limits'

/** About how large a value is as it would be stored. @throws INVALID, TOO_LARGE */
export function checkValue(value: JsonValue | Uint8Array): number {
  if (!(value instanceof Uint8Array)) return canonicalJson(value).length
  if (value.length > MAX_VALUE_BYTES)
    throw new AtollError('TOO_LARGE', `value: ${value.length} bytes, at most ${MAX_VALUE_BYTES}`, {
      what: 'value',
      limit: MAX_VALUE_BYTES,
      actual: value.length,
    })
  return value.length
}
