import { invalid, type JsonValue } from '@atolldb/core'
import { contentToValue, valueToContent } from '../engine/content.ts'

/**
 * Merges a patch into a value as RFC 7396 says: objects merge member by member, `null` removes, anything else replaces.
 * Members are defined, not assigned, so that a member called `__proto__` is data like any other.
 */
export function mergePatch(target: JsonValue | undefined, patch: JsonValue): JsonValue {
  if (!isObject(patch)) return patch
  const merged: { [key: string]: JsonValue } = {}
  if (isObject(target)) for (const [key, value] of Object.entries(target)) define(merged, key, value)
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete merged[key]
    else define(merged, key, mergePatch(Object.hasOwn(merged, key) ? merged[key] : undefined, value))
  }
  return merged
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function define(target: object, key: string, value: JsonValue): void {
  Object.defineProperty(target, key, { value, enumerable: true, configurable: true, writable: true })
}

/** A patch of a record, as plain JSON within the limits: what is none is refused before it is walked. @throws INVALID, TOO_LARGE */
export function parsePatch(patch: unknown): JsonValue {
  if (typeof patch !== 'object' || patch === null || Array.isArray(patch) || patch instanceof Uint8Array)
    throw invalid('patch', 'must be a JSON object')
  return contentToValue<JsonValue>(valueToContent(patch))
}
