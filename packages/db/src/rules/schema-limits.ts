import { invalid, type JsonValue } from '@atolldb/core'

/**
 * Schemas come from peers too. What could make a small one dear to compile, or deep enough for the stack of one host and not
 * of another, is refused when it is set, and demands nothing where it comes from elsewhere. What it costs to check a value is
 * bounded apart: see `schema-cost.ts`.
 */
const MAX_SCHEMA_NODES = 500
const MAX_SCHEMA_DEPTH = 32
const MAX_EXPANDED_LENGTH = 256 * 1024
const MAX_UNIQUE_ITEMS = 1_000
const MAX_PATTERN_LENGTH = 512

type Schema = { readonly [keyword: string]: JsonValue }

/** Keywords whose members are schemas; what no list names is data, or no keyword. */
const withSchema = new Set(['additionalProperties', 'contains', 'else', 'if', 'items', 'not', 'propertyNames', 'then'])
const withSchemaList = new Set(['allOf', 'anyOf', 'oneOf', 'prefixItems'])
const withSchemaMap = new Set(['dependentSchemas', 'dependencies', 'patternProperties', 'properties'])
/** Their members are data, whatever their names. */
const dataKeywords = new Set(['const', 'default', 'enum', 'examples'])
const withDefinitions = new Set(['$defs', 'definitions'])
/** Each member of theirs is a turn of the compiled schema, though no schema. */
const withNameLists = new Set(['dependentRequired'])
/** Of what a schema is called nothing is left once its references are replaced. */
const names = new Set(['$anchor', '$id'])
const refused = new Set([
  '$dynamicAnchor',
  '$dynamicRef',
  '$recursiveAnchor',
  '$recursiveRef',
  '$async',
  '$data',
  'unevaluatedProperties',
  'unevaluatedItems',
])
/** Compiled schemas would pass over a property of this name, without a word. */
const PASSED_OVER = '__proto__'

interface Expanded {
  readonly schema: JsonValue
  /** Schemas, keywords and members, which the compiled schema nests in one another. */
  readonly nodes: number
  /** Characters of JSON, about. */
  readonly length: number
  /** Schemas within schemas. */
  readonly depth: number
}

/**
 * The same schema, with each reference replaced by what it leads to: what others make of references, names and definitions
 * decides nothing. What is malformed otherwise is left as it is.
 *
 * @throws INVALID beyond the limits
 */
export function expandSchema(schema: JsonValue): JsonValue {
  if (typeof schema !== 'boolean' && !isObject(schema)) throw invalid('schema', 'is a JSON object, or true or false')
  return new Expansion(schema).expand(schema, []).schema
}

class Expansion {
  readonly #root: JsonValue
  readonly #byRef = new Map<string, Expanded>()

  constructor(root: JsonValue) {
    this.#root = root
  }

  /** @param path the references and schemas that it stands in; a reference by its text */
  expand(schema: JsonValue, path: readonly (string | undefined)[]): Expanded {
    if (path.length > MAX_SCHEMA_DEPTH) throw tooDeep()
    if (!isObject(schema)) return { schema, nodes: 2, length: lengthOf(schema), depth: 0 }
    checkKeywords(schema, { isRoot: schema === this.#root })
    const members: [string, JsonValue][] = []
    const parts: Expanded[] = []
    for (const [keyword, value] of Object.entries(schema)) {
      if (keyword === '$ref' || names.has(keyword)) continue
      const part = this.#member(keyword, value, path)
      parts.push({ ...part, nodes: part.nodes + 1, length: part.length + keyword.length + 4 })
      if (!withDefinitions.has(keyword)) members.push([keyword, part.schema])
    }
    const { $ref: ref, allOf } = schema
    if (ref === undefined) return sum(Object.fromEntries(members), parts)
    parts.push(this.#behind(ref, path))
    // A list that is malformed stays, so that it is refused.
    if (allOf !== undefined && !Array.isArray(allOf)) return sum(Object.fromEntries(members), parts)
    const others = members.find(([keyword]) => keyword === 'allOf')?.[1] as readonly JsonValue[] | undefined
    return sum({ ...Object.fromEntries(members), allOf: [parts.at(-1)!.schema, ...(others ?? [])] }, parts)
  }

  #member(keyword: string, value: JsonValue, path: readonly (string | undefined)[]): Expanded {
    const inner = [...path, undefined]
    if (isObject(value) && !dataKeywords.has(keyword) && Object.hasOwn(value, PASSED_OVER))
      throw invalid('schema', `a member named ${PASSED_OVER} is not supported`)
    const isSchema = withSchema.has(keyword) && !Array.isArray(value)
    if (isSchema) return deeper(this.expand(value, inner))
    if (withSchemaList.has(keyword) && Array.isArray(value)) {
      const parts = value.map(item => deeper(this.expand(item, inner)))
      return sum(
        parts.map(part => part.schema),
        parts,
      )
    }
    if (withSchemaMap.has(keyword) && isObject(value)) {
      const parts = Object.entries(value).map(([name, member]) => {
        // `dependencies` may have lists of names.
        const part = Array.isArray(member) ? data(member) : deeper(this.expand(member, inner))
        return [name, { ...part, nodes: part.nodes + 1, length: part.length + name.length + 4 }] as const
      })
      return sum(
        Object.fromEntries(parts.map(([name, part]) => [name, part.schema])),
        parts.map(([, part]) => part),
      )
    }
    if (withDefinitions.has(keyword) && isObject(value)) {
      // They count where they are referred to; that they are within the limits is checked all the same.
      for (const definition of Object.values(value)) this.expand(definition, inner)
      return { schema: null, nodes: 0, length: 0, depth: 0 }
    }
    const part = data(value)
    return withNameLists.has(keyword) && isObject(value) ? { ...part, nodes: 2 * Object.keys(value).length } : part
  }

  #behind(ref: JsonValue, path: readonly (string | undefined)[]): Expanded {
    if (typeof ref !== 'string' || !/^#(\/|$)/.test(ref))
      throw invalid('schema', '$ref may only lead into the schema itself: #/…')
    if (path.includes(ref)) throw invalid('schema', `${JSON.stringify(ref)} leads back to itself`)
    let found = this.#byRef.get(ref)
    if (found === undefined) {
      found = deeper(this.expand(resolve(this.#root, ref), [...path, ref]))
      this.#byRef.set(ref, found)
    }
    if (path.length + found.depth > MAX_SCHEMA_DEPTH) throw tooDeep()
    return found
  }
}

function sum(schema: JsonValue, parts: readonly Expanded[]): Expanded {
  let [nodes, length, depth] = [1, 2, 0]
  for (const part of parts) {
    nodes += part.nodes
    length += part.length
    depth = Math.max(depth, part.depth)
  }
  if (nodes > MAX_SCHEMA_NODES || length > MAX_EXPANDED_LENGTH)
    throw invalid(
      'schema',
      `is too large with all that its references lead to: ${MAX_SCHEMA_NODES} schemas and keywords, ${MAX_EXPANDED_LENGTH / 1024} KiB`,
    )
  return { schema, nodes, length, depth }
}

function deeper(part: Expanded): Expanded {
  return { ...part, depth: part.depth + 1 }
}

function data(value: JsonValue): Expanded {
  return { schema: value, nodes: 0, length: lengthOf(value), depth: 0 }
}

function lengthOf(value: JsonValue): number {
  return JSON.stringify(value).length
}

function tooDeep(): Error {
  return invalid('schema', `schemas within schemas, more than ${MAX_SCHEMA_DEPTH} of them`)
}

function checkKeywords(schema: Schema, { isRoot }: { readonly isRoot: boolean }): void {
  for (const keyword of Object.keys(schema))
    if (refused.has(keyword) || keyword === PASSED_OVER) throw invalid('schema', `${keyword} is not supported`)
  const { uniqueItems, maxItems, pattern, patternProperties, $id, $anchor } = schema
  // Items are compared each with each.
  if (uniqueItems === true && !(typeof maxItems === 'number' && maxItems <= MAX_UNIQUE_ITEMS))
    throw invalid('schema', `uniqueItems needs a maxItems of at most ${MAX_UNIQUE_ITEMS} beside it`)
  const patterns = [pattern, ...(isObject(patternProperties) ? Object.keys(patternProperties) : [])]
  for (const text of patterns)
    if (typeof text === 'string' && text.length > MAX_PATTERN_LENGTH)
      throw invalid('schema', `a pattern of more than ${MAX_PATTERN_LENGTH} characters`)
  for (const name of [$id, $anchor])
    if (name !== undefined && typeof name !== 'string') throw invalid('schema', '$id and $anchor are strings')
  // References below it would lead into it, and not into the whole.
  if ($id !== undefined && !isRoot) throw invalid('schema', '$id is for the whole schema only')
}

/** A JSON Pointer in a fragment. @throws INVALID */
function resolve(root: JsonValue, ref: string): JsonValue {
  let node = root
  for (const step of ref.slice(1).split('/').slice(1)) {
    const name = decodeStep(ref, step)
    if (typeof node !== 'object' || node === null || !Object.hasOwn(node, name))
      throw invalid('schema', `${JSON.stringify(ref)} leads nowhere`)
    node = (node as Readonly<Record<string, JsonValue>>)[name]!
  }
  return node
}

function decodeStep(ref: string, step: string): string {
  try {
    return decodeURIComponent(step).replaceAll('~1', '/').replaceAll('~0', '~')
  } catch {
    throw invalid('schema', `${JSON.stringify(ref)} is no reference`)
  }
}

function isObject(value: JsonValue | undefined): value is Schema {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
