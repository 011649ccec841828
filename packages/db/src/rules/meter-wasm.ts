/**
 * Rewrites a WebAssembly module so that it counts its own work, whoever runs it and however fast: each call and each turn of
 * a loop takes a step from a global, copying and filling memory takes a step per 64 bytes, and calls count how deep they are.
 * Out of steps, or too deep, the module traps. WebAssembly is deterministic but for the payload of NaN and for what its host
 * runs out of, so the same module traps at the same point everywhere.
 *
 * The result exports the global `steps` (mutable i64: steps left) beside what the module exports. Takes modules of the first
 * version of WebAssembly with sign extension, saturating conversion and bulk memory, functions of at most one result.
 * Format: WebAssembly Core Specification, 5 (Binary Format).
 */
export function meterWasm(bytes: Uint8Array, { maxDepth }: { readonly maxDepth: number }): Uint8Array<ArrayBuffer> {
  const reader = new Reader(bytes)
  reader.skip(8)
  const sections: { id: number; body: Uint8Array }[] = []
  while (!reader.isAtEnd) sections.push({ id: reader.byte(), body: reader.take(reader.unsigned()) })
  const bodyOf = (id: number): Uint8Array => sections.find(section => section.id === id)?.body ?? Uint8Array.of(0)
  const signatures = signaturesOf(bodyOf(TYPES), bodyOf(FUNCTIONS))
  const globals = importedGlobals(bodyOf(IMPORTS)) + new Reader(bodyOf(GLOBALS)).unsigned()
  const meter: Meter = { steps: globals, depth: globals + 1, maxDepth }
  const out = [...bytes.subarray(0, 8)]
  for (const { id, body } of sections) {
    const rewritten = rewriteSection(id, body, meter, signatures)
    out.push(id, ...unsigned(rewritten.length))
    for (const byte of rewritten) out.push(byte)
  }
  return Uint8Array.from(out)
}

/** Ids of sections. */
const TYPES = 1
const IMPORTS = 2
const FUNCTIONS = 3
const GLOBALS = 6
const EXPORTS = 7
const CODE = 10

const I32 = 0x7f
const I64 = 0x7e
const EMPTY_BLOCK = 0x40
/** Until the host sets how many there are. */
const STEPS_TO_START = 0x7fffffff

/** Indices of the globals that count. */
interface Meter {
  readonly steps: number
  readonly depth: number
  readonly maxDepth: number
}

type Bytes = readonly number[] | Uint8Array

function rewriteSection(id: number, body: Uint8Array, meter: Meter, signatures: readonly Signature[]): Bytes {
  if (id === GLOBALS) return extend(body, [I64, 1, ...i64Const(STEPS_TO_START), END], [I32, 1, ...i32Const(0), END])
  if (id === EXPORTS) return extend(body, [5, ...new TextEncoder().encode('steps'), 3, ...unsigned(meter.steps)])
  if (id === CODE) return rewriteCode(body, meter, signatures)
  return body
}

/** A vector with more elements at its end. */
function extend(vector: Uint8Array, ...elements: readonly Bytes[]): number[] {
  const reader = new Reader(vector)
  const count = reader.unsigned()
  return [...unsigned(count + elements.length), ...reader.rest(), ...elements.flatMap(element => [...element])]
}

interface Signature {
  readonly parameters: number
  /** The block type of the result. */
  readonly result: number
}

function signaturesOf(types: Uint8Array, functions: Uint8Array): Signature[] {
  const reader = new Reader(types)
  const byType = Array.from({ length: reader.unsigned() }, (): Signature => {
    reader.skip(1)
    const parameters = reader.take(reader.unsigned()).length
    const results = reader.take(reader.unsigned())
    if (results.length > 1) throw new Error('a function of several results')
    return { parameters, result: results[0] ?? EMPTY_BLOCK }
  })
  const indices = new Reader(functions)
  return Array.from({ length: indices.unsigned() }, () => byType[indices.unsigned()]!)
}

function importedGlobals(imports: Uint8Array): number {
  const reader = new Reader(imports)
  let globals = 0
  for (let count = reader.unsigned(); count > 0; count--) {
    reader.skip(reader.unsigned())
    reader.skip(reader.unsigned())
    const kind = reader.byte()
    if (kind === 0) reader.unsigned()
    else if (kind === 3) {
      globals++
      reader.skip(2)
    } else {
      if (kind === 1) reader.skip(1)
      const flags = reader.byte()
      reader.unsigned()
      if ((flags & 1) === 1) reader.unsigned()
    }
  }
  return globals
}

const UNREACHABLE = 0x00
const LOOP = 0x03
const RETURN = 0x0f
const END = 0x0b
const BR = 0x0c
const LOCAL_GET = 0x20
const LOCAL_SET = 0x21
const GLOBAL_GET = 0x23
const GLOBAL_SET = 0x24

/** Takes as many steps as the i64 on the stack says; traps when none is left. */
function takeSteps({ steps }: Meter, count: Bytes): number[] {
  const global = unsigned(steps)
  const left = [GLOBAL_GET, ...global]
  return [...left, ...count, 0x7d, GLOBAL_SET, ...global, ...left, ...i64Const(0), 0x53, ...trapIf]
}

const trapIf = [0x04, EMPTY_BLOCK, UNREACHABLE, END]

function addDepth({ depth }: Meter, by: number): number[] {
  return [GLOBAL_GET, ...unsigned(depth), ...i32Const(by), 0x6a, GLOBAL_SET, ...unsigned(depth)]
}

function rewriteCode(body: Uint8Array, meter: Meter, signatures: readonly Signature[]): number[] {
  const reader = new Reader(body)
  const count = reader.unsigned()
  const out = [...unsigned(count)]
  for (let i = 0; i < count; i++) {
    const code = rewriteFunction(reader.take(reader.unsigned()), meter, signatures[i]!)
    out.push(...unsigned(code.length))
    for (const byte of code) out.push(byte)
  }
  return out
}

/** The body becomes a block, so that every way out of it passes the end, where the depth goes down again. */
function rewriteFunction(code: Uint8Array, meter: Meter, { parameters, result }: Signature): number[] {
  const reader = new Reader(code)
  const groups = reader.unsigned()
  const localGroups: number[] = []
  let length = parameters
  for (let i = 0; i < groups; i++) {
    const count = reader.unsigned()
    localGroups.push(...unsigned(count), reader.byte())
    length += count
  }
  // One local more, after all others, for the length of what is copied.
  const out = [...unsigned(groups + 1), ...localGroups, 1, I32]
  out.push(...takeSteps(meter, i64Const(1)), ...addDepth(meter, 1))
  out.push(GLOBAL_GET, ...unsigned(meter.depth), ...i32Const(meter.maxDepth), 0x4a, ...trapIf)
  out.push(0x02, result)
  rewriteInstructions(reader, out, meter, length)
  out.push(...addDepth(meter, -1), END)
  return out
}

/** Copies instructions up to the end of the function, which ends the block around them. */
function rewriteInstructions(reader: Reader, out: number[], meter: Meter, length: number): void {
  let nesting = 0
  while (!reader.isAtEnd) {
    const start = reader.at
    const opcode = reader.byte()
    if (opcode === RETURN) out.push(BR, ...unsigned(nesting))
    else {
      const isBulk = skipImmediates(reader, opcode)
      if (isBulk)
        out.push(LOCAL_SET, ...unsigned(length), ...takeSteps(meter, bulkSteps(length)), LOCAL_GET, ...unsigned(length))
      for (const byte of reader.since(start)) out.push(byte)
      if (opcode === LOOP) out.push(...takeSteps(meter, i64Const(1)))
    }
    if (opcode >= 0x02 && opcode <= 0x04) nesting++
    else if (opcode === END) nesting--
  }
}

/** The length that a bulk instruction finds on the stack, in steps of 64 bytes. */
function bulkSteps(length: number): number[] {
  return [LOCAL_GET, ...unsigned(length), 0xad, ...i64Const(6), 0x88]
}

/** Is it an instruction whose work is not bounded by itself? */
function skipImmediates(reader: Reader, opcode: number): boolean {
  if (opcode >= 0x02 && opcode <= 0x04) reader.skip(1)
  else if (opcode === 0x0e) for (let labels = reader.unsigned(); labels >= 0; labels--) reader.unsigned()
  else if (opcode === 0x11 || (opcode >= 0x28 && opcode <= 0x3e)) {
    reader.unsigned()
    reader.unsigned()
  } else if (
    opcode === 0x41 ||
    opcode === 0x42 ||
    (opcode >= 0x0c && opcode <= 0x10) ||
    (opcode >= 0x20 && opcode <= 0x24)
  ) {
    if (opcode !== 0x0f) reader.unsigned()
  } else if (opcode === 0x3f || opcode === 0x40) reader.skip(1)
  else if (opcode === 0x43) reader.skip(4)
  else if (opcode === 0x44) reader.skip(8)
  else if (opcode === 0xfc) return skipPrefixed(reader)
  else if (!isPlain(opcode)) throw new Error(`opcode ${opcode} is not known here`)
  return false
}

function isPlain(opcode: number): boolean {
  return (
    opcode <= 0x01 ||
    opcode === 0x05 ||
    opcode === END ||
    opcode === 0x1a ||
    opcode === 0x1b ||
    (opcode >= 0x45 && opcode <= 0xc4)
  )
}

function skipPrefixed(reader: Reader): boolean {
  const opcode = reader.unsigned()
  if (opcode <= 7) return false
  if (opcode !== 10 && opcode !== 11) throw new Error(`opcode 0xfc ${opcode} is not known here`)
  reader.skip(opcode === 10 ? 2 : 1)
  return true
}

class Reader {
  readonly #bytes: Uint8Array
  at = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.at >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes[this.at++]!
  }

  /** LEB128 of at most 64 bits; where only the length matters, signed ones are read alike. */
  unsigned(): number {
    let value = 0
    for (let factor = 1; ; factor *= 128) {
      const byte = this.byte()
      value += (byte & 127) * factor
      if (byte < 128) return value
    }
  }

  skip(length: number): void {
    this.at += length
  }

  take(length: number): Uint8Array {
    this.at += length
    return this.#bytes.subarray(this.at - length, this.at)
  }

  since(start: number): Uint8Array {
    return this.#bytes.subarray(start, this.at)
  }

  rest(): Uint8Array {
    return this.#bytes.subarray(this.at)
  }
}

function unsigned(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) + 128, ...unsigned(Math.floor(value / 128))]
}

function signed(value: number): number[] {
  if (value >= -64 && value < 64) return [value & 127]
  return [(value & 127) | 128, ...signed(value >> 7)]
}

function i32Const(value: number): number[] {
  return [0x41, ...signed(value)]
}

function i64Const(value: number): number[] {
  return [0x42, ...signed(value)]
}
