import { invalid } from '../errors.ts'
import { MAX_JSON_DEPTH } from '../limits.ts'
import type { JsonValue } from '../records.ts'
import { canonicalJson } from './canonical-json.ts'

/**
 * Parses JSON from outside (RFC 8259), strictly: no member twice, no lone surrogate, no more than 64 levels (or `maxDepth`: a
 * message that wraps values is deeper than they are). A member called `__proto__` becomes an own property like any other.
 *
 * @throws INVALID with the position
 */
export function parseJson(text: string, maxDepth: number = MAX_JSON_DEPTH): JsonValue {
  return new Parser(text, maxDepth).parse()
}

/** Parses what `canonicalJson` wrote: it was checked then. */
export function parseCanonicalJson(text: string): JsonValue {
  return JSON.parse(text) as JsonValue
}

/** Is it exactly the text that `canonicalJson` writes for some value? */
export function isCanonicalJson(text: string): boolean {
  try {
    return canonicalJson(parseJson(text)) === text
  } catch {
    return false
  }
}

const whitespace = /[ \t\n\r]*/y
const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
// oxlint-disable-next-line no-control-regex -- control characters are what a JSON string must not have
const string = /"[^"\\\u0000-\u001f]*(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\u0000-\u001f]*)*"/y
const word = /true|false|null/y

/** Recursive descent; the depth limit bounds the recursion. */
class Parser {
  readonly #text: string
  readonly #maxDepth: number
  #at = 0

  constructor(text: string, maxDepth: number) {
    this.#text = text
    this.#maxDepth = maxDepth
  }

  parse(): JsonValue {
    const value = this.#value(0)
    this.#take(whitespace)
    if (this.#at < this.#text.length) throw this.#error('something follows the value')
    return value
  }

  #value(depth: number): JsonValue {
    this.#take(whitespace)
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object(this.#deeper(depth))
      case '[':
        return this.#array(this.#deeper(depth))
      case '"':
        return this.#string()
      default:
        return this.#scalar()
    }
  }

  #deeper(depth: number): number {
    if (depth === this.#maxDepth) throw this.#error(`nested deeper than ${this.#maxDepth}`)
    return depth + 1
  }

  #object(depth: number): JsonValue {
    const members: { [key: string]: JsonValue } = {}
    this.#at++
    if (this.#skip('}')) return members
    do {
      this.#take(whitespace)
      if (this.#text[this.#at] !== '"') throw this.#error('a member name was expected')
      const key = this.#string()
      if (Object.hasOwn(members, key))
        throw this.#error(`the member ${JSON.stringify(key.slice(0, 64))} is there twice`)
      if (!this.#skip(':')) throw this.#error('":" was expected')
      const value = this.#value(depth)
      if (key === '__proto__')
        Object.defineProperty(members, key, { value, enumerable: true, configurable: true, writable: true })
      else members[key] = value
    } while (this.#skip(','))
    if (!this.#skip('}')) throw this.#error('"," or "}" was expected')
    return members
  }

  #array(depth: number): JsonValue {
    const items: JsonValue[] = []
    this.#at++
    if (this.#skip(']')) return items
    do items.push(this.#value(depth))
    while (this.#skip(','))
    if (!this.#skip(']')) throw this.#error('"," or "]" was expected')
    return items
  }

  #string(): string {
    const source = this.#take(string)
    if (source === undefined) throw this.#error('a malformed string')
    const value = JSON.parse(source) as string
    if (/\p{Surrogate}/u.test(value)) throw this.#error('a string has a lone surrogate')
    return value
  }

  #scalar(): JsonValue {
    const source = this.#take(word) ?? this.#take(number)
    if (source === undefined)
      throw this.#error(this.#at < this.#text.length ? 'unexpected text' : 'the text ends early')
    const value = JSON.parse(source) as JsonValue
    if (typeof value === 'number' && !Number.isFinite(value)) throw this.#error(`${source.slice(0, 32)} is too large`)
    return value
  }

  /** A character, after blanks. */
  #skip(character: string): boolean {
    this.#take(whitespace)
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    if (found !== undefined) this.#at += found.length
    return found
  }

  #error(reason: string): Error {
    return invalid('JSON', `${reason} at character ${this.#at}`)
  }
}
