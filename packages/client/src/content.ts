import { ClientError } from './errors.ts'

/**
 * Values on the wire. `JSON.stringify` alone would turn what JSON cannot say (`undefined`, `NaN`, a `Date`, a `Map`) into
 * something else in silence: those are INVALID here, as they are in the library.
 */

/** Deeper than any legal value: a guard against endless recursion; the node knows the exact limit. */
const MAX_DEPTH = 1_000

/** @throws INVALID */
export function encodeJson(value: unknown): string {
  check(value, 0)
  return JSON.stringify(value)
}

function check(value: unknown, depth: number): void {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return
  if (typeof value === 'number') {
    if (!Number.isFinite(value)) throw invalidValue(`${value} is not a JSON number`)
    return
  }
  if (typeof value !== 'object') throw invalidValue(`${typeof value} is not JSON`)
  if (depth === MAX_DEPTH) throw invalidValue('is nested too deeply')
  if (Array.isArray(value)) {
    // Not forEach: it skips holes.
    for (let i = 0; i < value.length; i++) check(value[i], depth + 1)
    return
  }
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && Object.getPrototypeOf(prototype) !== null)
    throw invalidValue('only plain objects are JSON objects')
  for (const member of Object.values(value)) check(member, depth + 1)
}

function invalidValue(reason: string): ClientError {
  return new ClientError('INVALID', `value: ${reason}`, { data: { what: 'value', reason } })
}

export function encodeBase64(bytes: Uint8Array): string {
  let binary = ''
  for (let i = 0; i < bytes.length; i += 8192) binary += String.fromCharCode(...bytes.subarray(i, i + 8192))
  return btoa(binary)
}

export function decodeBase64(text: string): Uint8Array {
  return Uint8Array.from(atob(text), character => character.charCodeAt(0))
}
