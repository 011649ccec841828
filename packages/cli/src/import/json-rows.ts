import { invalid } from '@atolldb/core/errors'
import { parseJson } from '@atolldb/core/json'
import { MAX_JSON_DEPTH } from '@atolldb/core/limits'
import { MAX_ROW_LENGTH, badRow, rowTooLong, type ParsedRow } from './parsed-row.ts'

/** A line of `ls --json` wraps its value; that no value is too deep is checked when it is unwrapped. */
const MAX_ROW_DEPTH = MAX_JSON_DEPTH + 1

/** One JSON value a line; empty lines are skipped. */
export async function* jsonLineRows(text: AsyncIterable<string>): AsyncGenerator<ParsedRow, void, void> {
  let rest = ''
  let line = 0
  for await (const chunk of text) {
    const lines = (rest + chunk).split('\n')
    rest = lines.pop() ?? ''
    if (rest.length > MAX_ROW_LENGTH) throw rowTooLong(line + lines.length + 1)
    for (const content of lines) {
      line += 1
      if (content.trim() !== '') yield parseRow(content, line)
    }
  }
  if (rest.trim() !== '') yield parseRow(rest, line + 1)
}

function parseRow(text: string, line: number): ParsedRow {
  try {
    return { line, value: parseJson(text, MAX_ROW_DEPTH) }
  } catch (error) {
    return badRow(line, error)
  }
}

/**
 * The elements of a JSON array, one by one: only one is in memory at a time. Where each begins and ends is found by its quotes
 * and brackets; its text then goes through the same strict parser as every other value. (Streaming parsers that build values
 * let doubled keys pass, and know no limit of depth.)
 *
 * @throws INVALID for a file that is no array, TOO_LARGE for an element beyond all bounds
 */
export async function* jsonArrayRows(text: AsyncIterable<string>): AsyncGenerator<ParsedRow, void, void> {
  const splitter = new ArraySplitter()
  for await (const chunk of text)
    for (const element of splitter.split(chunk)) yield parseRow(element.text, element.line)
  splitter.end()
}

interface Element {
  readonly text: string
  /** The line on which it begins. */
  readonly line: number
}

class ArraySplitter {
  #place: 'before' | 'inside' | 'after' = 'before'
  #line = 1
  #inString = false
  #escaped = false
  /** Open brackets of the element at hand. */
  #depth = 0
  /** The element at hand: what earlier chunks had of it, and where it begins in this one. */
  #carried = ''
  #start: number | undefined
  #elementLine = 1
  #afterComma = false

  end(): void {
    if (this.#place === 'before') throw invalid('file', 'is empty: it must be a JSON array of records')
    if (this.#place === 'inside') throw invalid(`line ${this.#line}`, 'the array is not complete')
  }

  *split(chunk: string): Generator<Element, void, void> {
    for (let i = 0; i < chunk.length; i++) {
      const character = chunk[i] ?? ''
      if (character === '\n') this.#line += 1
      if (this.#place === 'inside') {
        if (this.#isBorder(character)) yield* this.#finish(chunk, i, character)
        else this.#go(character, i)
      } else if (!isWhiteSpace(character)) this.#enter(character)
    }
    if (this.#start === undefined) return
    this.#carried += chunk.slice(this.#start)
    this.#start = 0
    if (this.#carried.length > MAX_ROW_LENGTH) throw rowTooLong(this.#elementLine)
  }

  #enter(character: string): void {
    if (this.#place === 'after') throw invalid(`line ${this.#line}`, 'something follows the array')
    if (character !== '[') throw invalid('file', 'must be a JSON array of records (or use --format jsonl)')
    this.#place = 'inside'
  }

  /** Between elements, or at the end of the array. */
  #isBorder(character: string): boolean {
    return !this.#inString && this.#depth === 0 && (character === ',' || character === ']' || character === '}')
  }

  #go(character: string, at: number): void {
    if (this.#start === undefined) {
      if (isWhiteSpace(character)) return
      this.#start = at
      this.#elementLine = this.#line
    }
    if (this.#inString) {
      if (this.#escaped) this.#escaped = false
      else if (character === '\\') this.#escaped = true
      else if (character === '"') this.#inString = false
    } else if (character === '"') this.#inString = true
    else if (character === '[' || character === '{') this.#depth += 1
    else if (character === ']' || character === '}') this.#depth -= 1
  }

  *#finish(chunk: string, at: number, border: string): Generator<Element, void, void> {
    if (border === '}') throw invalid(`line ${this.#line}`, 'a bracket is closed that was not opened')
    const isEmpty = this.#start === undefined
    // `[]` has no elements; `[1,]` and `[,]` are no JSON.
    if (isEmpty && (border === ',' || this.#afterComma)) throw invalid(`line ${this.#line}`, 'an element is missing')
    if (!isEmpty) yield { text: this.#carried + chunk.slice(this.#start, at), line: this.#elementLine }
    this.#carried = ''
    this.#start = undefined
    this.#afterComma = border === ','
    if (border === ']') this.#place = 'after'
  }
}

function isWhiteSpace(character: string): boolean {
  return character === ' ' || character === '\n' || character === '\t' || character === '\r'
}
