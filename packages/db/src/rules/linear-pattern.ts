import { invalid } from '@atolldb/core'

/**
 * Regular expressions for schemas, matched in time linear in the text (Thompson 1968), since a pattern from elsewhere must
 * not be able to hold a node up. Takes what JSON Schema recommends and most patterns need: characters, classes, `.`, groups,
 * `|`, quantifiers, `^`, `$`, `\b`. Refused: look-around, back references, and `\p{…}`, which means something else in each
 * version of Unicode.
 */
export interface LinearPattern {
  /** Instructions: each character of a text may meet each of them once. */
  readonly size: number
  test(text: string): boolean
  /** ajv takes patterns of equal text for the same one. */
  toString(): string
}

const MAX_INSTRUCTIONS = 500
const MAX_REPEAT = 500
/** Groups within groups, well before the stack of any host ends. */
const MAX_DEPTH = 32

/** A character is told by its code point. */
type Matches = (character: number) => boolean

type Instruction =
  | { readonly op: 'take'; readonly matches: Matches }
  | { op: 'fork'; readonly first: number; second: number }
  | { op: 'jump'; to: number }
  | { readonly op: 'start' | 'end' | 'edge' | 'inside' | 'done' }

type Node =
  | { readonly type: 'take'; readonly matches: Matches }
  | { readonly type: 'assert'; readonly op: 'start' | 'end' | 'edge' | 'inside' }
  | { readonly type: 'sequence'; readonly items: readonly Node[] }
  | { readonly type: 'choice'; readonly branches: readonly Node[] }
  | { readonly type: 'repeat'; readonly item: Node; readonly min: number; readonly max: number }

/** @throws INVALID for what is no pattern, or one that cannot be matched in linear time */
export function linearPattern(pattern: string): LinearPattern {
  checkSyntax(pattern)
  const program: Instruction[] = []
  compile(new PatternReader(pattern).read(), program)
  program.push({ op: 'done' })
  const machine = new Machine(program)
  return { size: program.length, test: text => machine.finds(text), toString: () => `/${pattern}/u` }
}
// Wanted by ajv for code that it writes to files; ours stays in memory.
linearPattern.code = 'linearPattern'

/** What ECMAScript does not take, we do not take either; a pattern that is refused here was never run. */
function checkSyntax(pattern: string): void {
  try {
    void new RegExp(pattern, 'u')
  } catch (cause) {
    throw refused(pattern, cause instanceof Error ? cause.message : String(cause))
  }
}

function refused(pattern: string, reason: string): Error {
  return invalid('schema', `pattern ${JSON.stringify(pattern.slice(0, 64))}: ${reason}`)
}

/** Reads a pattern that is known to be well-formed. */
class PatternReader {
  readonly #characters: readonly string[]
  readonly #pattern: string
  #at = 0
  #depth = 0

  constructor(pattern: string) {
    this.#pattern = pattern
    this.#characters = Array.from(pattern)
  }

  read(): Node {
    return this.#choice()
  }

  #peek(ahead = 0): string | undefined {
    return this.#characters[this.#at + ahead]
  }

  #choice(): Node {
    const branches = [this.#sequence()]
    while (this.#peek() === '|') {
      this.#at++
      branches.push(this.#sequence())
    }
    return branches.length === 1 ? branches[0]! : { type: 'choice', branches }
  }

  #sequence(): Node {
    const items: Node[] = []
    for (let next = this.#peek(); next !== undefined && next !== '|' && next !== ')'; next = this.#peek())
      items.push(this.#quantified(this.#atom()))
    return { type: 'sequence', items }
  }

  #quantified(item: Node): Node {
    const next = this.#peek()
    let node = item
    if (next === '*' || next === '+' || next === '?') {
      this.#at++
      node = { type: 'repeat', item, min: next === '+' ? 1 : 0, max: next === '?' ? 1 : Infinity }
    } else if (next === '{') node = this.#counted(item)
    // A lazy quantifier matches the same texts.
    if (node !== item && this.#peek() === '?') this.#at++
    return node
  }

  #counted(item: Node): Node {
    const end = this.#characters.indexOf('}', this.#at)
    const [low = '', high] = this.#characters
      .slice(this.#at + 1, end)
      .join('')
      .split(',')
    this.#at = end + 1
    const min = Number(low)
    const max = high === undefined ? min : high === '' ? Infinity : Number(high)
    if (min > MAX_REPEAT || (max !== Infinity && max > MAX_REPEAT))
      throw refused(this.#pattern, `a count of more than ${MAX_REPEAT}`)
    return { type: 'repeat', item, min, max }
  }

  #atom(): Node {
    const start = this.#at
    const first = this.#characters[this.#at++]!
    if (first === '(') return this.#group()
    if (first === '^') return { type: 'assert', op: 'start' }
    if (first === '$') return { type: 'assert', op: 'end' }
    if (first === '[') this.#skipClass()
    else if (first === '\\') {
      const escape = this.#characters[this.#at++]!
      if (escape === 'b' || escape === 'B') return { type: 'assert', op: escape === 'b' ? 'edge' : 'inside' }
      this.#skipEscape(escape)
    }
    return { type: 'take', matches: oneCharacter(this.#characters.slice(start, this.#at).join('')) }
  }

  #group(): Node {
    if (this.#peek() === '?') {
      if (this.#peek(1) !== ':') throw refused(this.#pattern, 'look-around and named groups are not taken')
      this.#at += 2
    }
    if (++this.#depth > MAX_DEPTH) throw refused(this.#pattern, `groups within groups, more than ${MAX_DEPTH}`)
    const inner = this.#choice()
    this.#depth--
    this.#at++
    return inner
  }

  #skipClass(): void {
    for (let next = this.#characters[this.#at++]; next !== ']'; next = this.#characters[this.#at++])
      if (next === '\\') this.#skipEscape(this.#characters[this.#at++]!)
  }

  #skipEscape(escape: string): void {
    if (/[1-9k]/.test(escape)) throw refused(this.#pattern, 'back references are not taken')
    if (escape === 'p' || escape === 'P') throw refused(this.#pattern, '\\p is not taken')
    if (escape === 'c') this.#at += 1
    else if (escape === 'x') this.#at += 2
    else if (escape === 'u' && this.#peek() === '{') this.#at = this.#characters.indexOf('}', this.#at) + 1
    else if (escape === 'u') {
      const isHighSurrogate = /^[dD][89abAB]/.test(this.#characters.slice(this.#at, this.#at + 2).join(''))
      this.#at += 4
      // Two escapes can be one character.
      if (isHighSurrogate && this.#peek() === '\\' && this.#peek(1) === 'u') this.#at += 6
    }
  }
}

/** One character, class or escape, as ECMAScript reads it: on one character it takes no time worth speaking of. */
function oneCharacter(source: string): Matches {
  const expression = new RegExp(`^${source}$`, 'u')
  const ofAscii = Array.from({ length: 128 }, (_, character) => expression.test(String.fromCodePoint(character)))
  return character => (character < 128 ? ofAscii[character]! : expression.test(String.fromCodePoint(character)))
}

function compile(node: Node, program: Instruction[]): void {
  if (program.length > MAX_INSTRUCTIONS) throw invalid('schema', 'a pattern is too large')
  switch (node.type) {
    case 'take':
      program.push({ op: 'take', matches: node.matches })
      return
    case 'assert':
      program.push({ op: node.op })
      return
    case 'sequence':
      for (const item of node.items) compile(item, program)
      return
    case 'choice':
      compileChoice(node.branches, program)
      return
    case 'repeat':
      for (let i = 0; i < node.min; i++) compile(node.item, program)
      if (node.max === Infinity) compileLoop(node.item, program)
      else compileOptions(node.item, node.max - node.min, program)
  }
}

function compileChoice(branches: readonly Node[], program: Instruction[]): void {
  const jumps: { op: 'jump'; to: number }[] = []
  for (const [i, branch] of branches.entries()) {
    const fork = { op: 'fork' as const, first: program.length + 1, second: 0 }
    if (i < branches.length - 1) program.push(fork)
    compile(branch, program)
    if (i === branches.length - 1) break
    const jump = { op: 'jump' as const, to: 0 }
    program.push(jump)
    jumps.push(jump)
    fork.second = program.length
  }
  for (const jump of jumps) jump.to = program.length
}

function compileLoop(item: Node, program: Instruction[]): void {
  const start = program.length
  const fork = { op: 'fork' as const, first: start + 1, second: 0 }
  program.push(fork)
  compile(item, program)
  program.push({ op: 'jump', to: start })
  fork.second = program.length
}

function compileOptions(item: Node, count: number, program: Instruction[]): void {
  const forks: { op: 'fork'; first: number; second: number }[] = []
  for (let i = 0; i < count; i++) {
    const fork = { op: 'fork' as const, first: program.length + 1, second: 0 }
    program.push(fork)
    forks.push(fork)
    compile(item, program)
  }
  for (const fork of forks) fork.second = program.length
}

const NO_CHARACTER = -1

/** Follows all states that a text can lead to at once. */
class Machine {
  readonly #program: readonly Instruction[]
  /** States that wait for the next character, each once. */
  readonly #reached: number[] = []
  /** The step at which a state was reached last. */
  readonly #reachedAt: Uint32Array
  readonly #pending: number[] = []
  #step = 0

  constructor(program: readonly Instruction[]) {
    this.#program = program
    this.#reachedAt = new Uint32Array(program.length)
  }

  /** Is there a match anywhere? */
  finds(text: string): boolean {
    this.#reachedAt.fill(0)
    this.#step = 0
    let taken: number[] = []
    let last = NO_CHARACTER
    for (let at = 0; ;) {
      const next = text.codePointAt(at) ?? NO_CHARACTER
      this.#step++
      this.#reached.length = 0
      for (const state of taken) if (this.#reach(state, last, next)) return true
      if (this.#reach(0, last, next)) return true
      if (next === NO_CHARACTER) return false
      taken = []
      for (const state of this.#reached) {
        const instruction = this.#program[state]!
        if (instruction.op === 'take' && instruction.matches(next)) taken.push(state + 1)
      }
      at += next > 0xffff ? 2 : 1
      last = next
    }
  }

  /** Adds what can be reached without taking a character; true when that is the end of the pattern. */
  #reach(from: number, last: number, next: number): boolean {
    const pending = this.#pending
    pending.length = 0
    pending.push(from)
    for (let state = pending.pop(); state !== undefined; state = pending.pop()) {
      if (this.#reachedAt[state] === this.#step) continue
      this.#reachedAt[state] = this.#step
      const instruction = this.#program[state]!
      if (instruction.op === 'done') return true
      if (instruction.op === 'take') this.#reached.push(state)
      else if (instruction.op === 'jump') pending.push(instruction.to)
      else if (instruction.op === 'fork') pending.push(instruction.first, instruction.second)
      else if (holds(instruction.op, last, next)) pending.push(state + 1)
    }
    return false
  }
}

/** Between the last character and the next. */
function holds(op: 'start' | 'end' | 'edge' | 'inside', last: number, next: number): boolean {
  if (op === 'start') return last === NO_CHARACTER
  if (op === 'end') return next === NO_CHARACTER
  const isEdge = isWord(last) !== isWord(next)
  return (op === 'edge') === isEdge
}

const isWordCharacter = oneCharacter('\\w')

function isWord(character: number): boolean {
  return character !== NO_CHARACTER && isWordCharacter(character)
}
