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
  const text = write(value, 0, undefined, '')
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

/** Where a container is, from the inside out; read only when something is wrong. */
interface Place {
  readonly parent: Place | undefined
  readonly step: string | number
}

/** `step` is the value's name or index within the container at `place`. */
function write(value: unknown, depth: number, place: Place | undefined, step: string | number): string {
  switch (typeof value) {
    case 'string':
      return writeString(value, place, step)
    case 'number':
      if (!Number.isFinite(value)) throw refused(`${value} is not a JSON number`, place, step)
      // Zero may be negative.
      return value === 0 ? '0' : String(value)
    case 'boolean':
      return value ? 'true' : 'false'
    case 'object':
      if (value === null) return 'null'
      if (depth === MAX_JSON_DEPTH) throw refused(`nested deeper than ${MAX_JSON_DEPTH}`, place, step)
      return Array.isArray(value)
        ? writeArray(value, depth + 1, { parent: place, step })
        : writeObject(value, depth + 1, { parent: place, step })
    default:
      throw refused(`${typeof value} is not a JSON value`, place, step)
  }
}

function writeString(text: string, place: Place | undefined, step: string | number): string {
  if (isPlain(text)) return `"${text}"`
  if (!isWellFormed(text)) throw refused('a string has a lone surrogate', place, step)
  return JSON.stringify(text)
}

/** A short string of printable ASCII that needs no escapes: most member names, and many values. */
function isPlain(text: string): boolean {
  if (text.length > 32) return false
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x20 || unit > 0x7e || unit === 0x22 || unit === 0x5c) return false
  }
  return true
}

function writeArray(items: readonly unknown[], depth: number, place: Place): string {
  let text = '['
  for (let i = 0; i < items.length; i++) {
    if (i > 0) text += ','
    text += write(items[i], depth, place, i)
  }
  return `${text}]`
}

function writeObject(value: object, depth: number, place: Place): string {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== null && prototype !== Object.prototype && !isForeignPlainObject(value, prototype))
    throw refused(`${Object.prototype.toString.call(value)} is not a plain object`, place.parent, place.step)
  const members = value as { readonly [key: string]: unknown }
  const keys = Object.keys(value)
  // The default order of sort is that of UTF-16 units, as RFC 8785 asks.
  if (!isSorted(keys)) keys.sort()
  let text = '{'
  for (const key of keys) {
    if (text.length > 1) text += ','
    text += `${writeString(key, place, key)}:${write(members[key], depth, place, key)}`
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

function refused(reason: string, place: Place | undefined, step: string | number): AtollError<'INVALID'> {
  const steps = place === undefined ? [] : [step]
  // The outermost container has no name.
  for (let at = place; at?.parent !== undefined; at = at.parent) steps.push(at.step)
  const path = steps.reverse().map(part => (typeof part === 'number' ? `[${part}]` : `.${part.slice(0, 64)}`))
  return invalid(`value${path.join('')}`, reason)
}
