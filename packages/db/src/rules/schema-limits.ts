import { invalid, type JsonValue } from '@atolldb/core'

/**
 * Schemas come from peers too, and deciding by them must cost every node about the same: what could make a small schema
 * dear is refused when it is set, and demands nothing where it comes from elsewhere.
 */
const MAX_SCHEMA_COST = 10_000
const MAX_UNIQUE_ITEMS = 1_000
const MAX_PATTERN_LENGTH = 512

/** Their members are data, not schemas. */
const dataKeywords = new Set(['const', 'enum', 'default', 'examples'])
const refused = new Set([
  '$dynamicRef',
  '$recursiveRef',
  '$async',
  '$data',
  'unevaluatedProperties',
  'unevaluatedItems',
  // Compiled schemas would pass over a property of this name, without a word.
  '__proto__',
])

/** @throws INVALID */
export function checkSchemaLimits(schema: JsonValue): void {
  new Walk(schema).costOf(schema, [])
}

class Walk {
  readonly #root: JsonValue
  readonly #costByRef = new Map<string, number>()

  constructor(root: JsonValue) {
    this.#root = root
  }

  /** How many nodes a value may meet, each `$ref` counted with what it leads to. */
  costOf(node: JsonValue, refs: readonly string[]): number {
    if (typeof node !== 'object' || node === null) return 1
    if (Array.isArray(node)) return this.#sum(node.map(item => this.costOf(item, refs)))
    checkKeywords(node)
    return this.#sum(
      Object.entries(node).map(([keyword, value]) => {
        if (dataKeywords.has(keyword)) return dataSize(value)
        if (keyword === '$ref') return this.#costOfRef(value, refs)
        // What is defined costs where it is referred to; it is walked all the same.
        const cost = this.costOf(value, refs)
        return keyword === '$defs' || keyword === 'definitions' ? 1 : cost
      }),
    )
  }

  #costOfRef(ref: JsonValue, refs: readonly string[]): number {
    if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref))
      throw invalid('schema', '$ref may only lead into the schema itself: #/…')
    if (refs.includes(ref)) throw invalid('schema', `${JSON.stringify(ref)} leads back to itself`)
    let cost = this.#costByRef.get(ref)
    if (cost === undefined) {
      cost = this.costOf(resolve(this.#root, ref), [...refs, ref])
      this.#costByRef.set(ref, cost)
    }
    return cost
  }

  #sum(costs: readonly number[]): number {
    const sum = costs.reduce((a, b) => a + b, 1)
    if (sum > MAX_SCHEMA_COST) throw invalid('schema', 'is too large with all that its references lead to')
    return sum
  }
}

function checkKeywords(node: { readonly [key: string]: JsonValue }): void {
  for (const keyword of Object.keys(node))
    if (refused.has(keyword)) throw invalid('schema', `${keyword} is not supported`)
  const { uniqueItems, maxItems, pattern, patternProperties } = node
  // Items are compared each with each.
  if (uniqueItems === true && !(typeof maxItems === 'number' && maxItems <= MAX_UNIQUE_ITEMS))
    throw invalid('schema', `uniqueItems needs a maxItems of at most ${MAX_UNIQUE_ITEMS} beside it`)
  const patterns = [pattern, ...(isObject(patternProperties) ? Object.keys(patternProperties) : [])]
  for (const text of patterns)
    if (typeof text === 'string' && text.length > MAX_PATTERN_LENGTH)
      throw invalid('schema', `a pattern of more than ${MAX_PATTERN_LENGTH} characters`)
}

function dataSize(value: JsonValue): number {
  if (typeof value !== 'object' || value === null) return 1
  return Object.values(value).reduce<number>((size, child) => size + dataSize(child), 1)
}

/** A JSON Pointer in a fragment. @throws INVALID */
function resolve(root: JsonValue, ref: string): JsonValue {
  let node = root
  for (const step of ref.slice(1).split('/').slice(1)) {
    const name = decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, name))
      throw invalid('schema', `${JSON.stringify(ref)} leads nowhere`)
    node = (node as Readonly<Record<string, JsonValue>>)[name]!
  }
  return node
}

function isObject(value: JsonValue | undefined): value is { [key: string]: JsonValue } {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
