import { invalid } from '../errors.ts'
import { MAX_JSON_DEPTH } from '../limits.ts'
import type { JsonValue } from '../records.ts'
import { isWellFormed } from '../text.ts'
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
    // What a lenient parser forgives (a member twice, blanks, other spellings) shows in the text.
    return canonicalJson(JSON.parse(text)) === text
  } catch {
    return false
  }
}

const number = /-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?/y
const word = /true|false|null/y
const plainText = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/
const BACKSLASH = 0x5c

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
    this.#skipBlanks()
    if (this.#at < this.#text.length) throw this.#error('something follows the value')
    return value
  }

  #value(depth: number): JsonValue {
    this.#skipBlanks()
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
      this.#skipBlanks()
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
    const start = this.#at
    const end = this.#endOfString()
    this.#at = end
    const inside = this.#text.slice(start + 1, end - 1)
    if (plainText.test(inside)) return inside
    let value: string
    try {
      value = JSON.parse(this.#text.slice(start, end)) as string
    } catch {
      throw this.#error('a malformed string ends')
    }
    if (!isWellFormed(value)) throw this.#error('a string with a lone surrogate ends')
    return value
  }

  /** By hand: a regular expression runs out of stack on megabytes of escapes. */
  #endOfString(): number {
    let quote = this.#at
    for (;;) {
      quote = this.#text.indexOf('"', quote + 1)
      if (quote < 0) throw this.#error('a string without an end')
      let backslashes = 0
      while (this.#text.charCodeAt(quote - 1 - backslashes) === BACKSLASH) backslashes++
      if (backslashes % 2 === 0) return quote + 1
    }
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
    this.#skipBlanks()
    if (this.#text[this.#at] !== character) return false
    this.#at++
    return true
  }

  #skipBlanks(): void {
    for (;;) {
      const unit = this.#text.charCodeAt(this.#at)
      if (unit !== 0x20 && unit !== 0x0a && unit !== 0x0d && unit !== 0x09) return
      this.#at++
    }
  }

  #take(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = this.#match(pattern)
    if (found !== undefined) this.#at += found.length
    return found
  }

  #match(pattern: RegExp): string | undefined {
    try {
      return pattern.exec(this.#text)?.[0]
    } catch (cause) {
      // Millions of escapes in one string exhaust the matcher's stack.
      if (cause instanceof RangeError) throw this.#error('a string has too many escapes')
      throw cause
    }
  }

  #error(reason: string): Error {
    return invalid('JSON', `${reason} at character ${this.#at}`)
  }
}
