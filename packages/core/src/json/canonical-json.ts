import { AtollError, invalid } from '../errors.ts'
import { MAX_JSON_DEPTH, MAX_VALUE_BYTES } from '../limits.ts'
import { isWellFormed, utf8Length } from '../text.ts'

/**
 * The one text form of a JSON value (RFC 8785, JSON Canonicalization Scheme), checked in the same pass: members sorted by
 * their UTF-16 units, numbers as ECMAScript prints them (−0 is 0), no blanks.
 *
 * Takes plain objects and arrays only: what JSON cannot hold (`undefined`, functions, bigint, NaN, dates, class instances)
 * is refused, never dropped. A member called `__proto__` is data like any other.
 *
 * @throws INVALID with the JSON path; TOO_LARGE beyond `maxBytes` of UTF-8
 * @example canonicalJson({ b: 1, a: [true, null] }) // '{"a":[true,null],"b":1}'
 */
export function canonicalJson(value: unknown, maxBytes: number = MAX_VALUE_BYTES): string {
  const text = write(value, 0, undefined)
  // A UTF-16 unit is at most 3 bytes of UTF-8, so most values need no counting.
  if (text.length * 3 > maxBytes) {
    const bytes = utf8Length(text)
    if (bytes > maxBytes)
      throw new AtollError('TOO_LARGE', `value: ${bytes} bytes, at most ${maxBytes}`, {
        what: 'value',
        limit: maxBytes,
        actual: bytes,
      })
  }
  return text
}

/** Where we are, from the inside out; made only of what is on the way, and read only when something is wrong. */
interface Place {
  readonly parent: Place | undefined
  readonly step: string | number
}

function write(value: unknown, depth: number, place: Place | undefined): string {
  switch (typeof value) {
    case 'string':
      return writeString(value, place)
    case 'number':
      if (!Number.isFinite(value)) throw refused(`${value} is not a JSON number`, place)
      return value === 0 ? '0' : String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (depth === MAX_JSON_DEPTH) throw refused(`nested deeper than ${MAX_JSON_DEPTH}`, place)
      return Array.isArray(value) ? writeArray(value, depth, place) : writeObject(value, depth, place)
    default:
      throw refused(`${typeof value} is not a JSON value`, place)
  }
}

function writeString(text: string, place: Place | undefined): string {
  if (!isWellFormed(text)) throw refused('a string has a lone surrogate', place)
  return JSON.stringify(text)
}

function writeArray(items: readonly unknown[], depth: number, place: Place | undefined): string {
  let text = '['
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ','
    text += write(items[i], depth + 1, { parent: place, step: i })
  }
  return `${text}]`
}

function writeObject(value: object, depth: number, place: Place | undefined): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype && !isForeignPlainObject(value, prototype))
    throw refused(`a ${value.constructor?.name ?? 'class'} instance is not a JSON value`, place)
  const members = value as { readonly [key: string]: unknown }
  const keys = Object.keys(value)
  // The default order of sort is that of UTF-16 units, as RFC 8785 asks.
  if (!isSorted(keys)) keys.sort()
  let text = '{'
  for (const key of keys) {
    if (text.length > 1) text += ','
    text += `${writeString(key, place)}:${write(members[key], depth + 1, { parent: place, step: key })}`
  }
  return `${text}}`
}

/** A plain object of another realm (a worker's, a test sandbox's) has another Object.prototype. */
function isForeignPlainObject(value: object, prototype: unknown): boolean {
  return Object.getPrototypeOf(prototype) === null && Object.prototype.toString.call(value) === '[object Object]'
}

function isSorted(keys: readonly string[]): boolean {
  for (let i = 1; i < keys.length; i++) if (keys[i - 1]! > keys[i]!) return false
  return true
}

function refused(reason: string, place: Place | undefined): AtollError<'INVALID'> {
  const steps: string[] = []
  for (let at = place; at !== undefined && steps.length <= MAX_JSON_DEPTH; at = at.parent)
    steps.push(typeof at.step === 'number' ? `[${at.step}]` : `.${at.step.slice(0, 64)}`)
  return invalid(`value${steps.reverse().join('')}`, reason)
}
