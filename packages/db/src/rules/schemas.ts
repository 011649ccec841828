import { createRequire } from 'node:module'
import { AtollError, canonicalJson, invalid, isAtollError, type JsonValue, type SchemaViolation } from '@atolldb/core'
import type * as ajv2020 from 'ajv/dist/2020.js'
import { LRUCache } from 'lru-cache'
import { linearPattern } from './linear-pattern.ts'
import { MAX_SCHEMA_STEPS, type SchemaCost, schemaCost } from './schema-cost.ts'
import { expandSchema } from './schema-limits.ts'

const COMPILED_SCHEMAS = 64
/** Most nodes have no schema, and need not wait for ajv when they start. */
const require = createRequire(import.meta.url)

interface CompiledSchema {
  readonly validate: ajv2020.ValidateFunction
  readonly cost: SchemaCost
}

/**
 * JSON Schema, draft 2020-12, as ajv has it, with what follows from values being everybody's: an answer is a function of schema
 * and value alone. `format` annotates and checks nothing; patterns are matched in linear time; references stay within the
 * schema and do not lead back to themselves; what takes too many steps is not checked.
 */
export class Schemas {
  /** What failed for want of a stack or of memory says nothing about a schema: it is thrown, and not kept. */
  readonly #compiled = new LRUCache<string, CompiledSchema | AtollError>({ max: COMPILED_SCHEMAS })

  /** @throws INVALID when it is no schema, or one that is not taken */
  check(schema: JsonValue): void {
    const compiled = this.#compile(schema)
    if (compiled instanceof AtollError) throw compiled
  }

  /** Undefined when the value follows the schema, or the schema is none; `limits` when that takes too many steps to tell. */
  violationOf(schema: JsonValue, value: JsonValue): SchemaViolation | 'limits' | undefined {
    const compiled = this.#compile(schema)
    if (compiled instanceof AtollError) return undefined
    const { validate, cost } = compiled
    if (cost(value) > MAX_SCHEMA_STEPS) return 'limits'
    if (validate(value)) return undefined
    const error = validate.errors?.[0]
    const path = error?.instancePath ?? ''
    return { path, rule: error?.keyword ?? 'schema', reason: error?.message ?? 'breaks the schema' }
  }

  #compile(schema: JsonValue): CompiledSchema | AtollError {
    const text = canonicalJson(schema)
    let compiled = this.#compiled.get(text)
    if (compiled === undefined) this.#compiled.set(text, (compiled = compile(text)))
    return compiled
  }
}

function compile(text: string): CompiledSchema | AtollError {
  const { Ajv2020 } = require('ajv/dist/2020.js') as typeof ajv2020
  try {
    const schema = expandSchema(JSON.parse(text) as JsonValue)
    const ajv = new Ajv2020({
      strictTypes: false,
      strictTuples: false,
      // To look for overlaps, ajv would match patterns itself, in no linear time.
      allowMatchingProperties: true,
      validateFormats: false,
      ownProperties: true,
      logger: false,
      code: { regExp: linearPattern },
    })
    const validate = ajv.compile(schema as boolean | { [key: string]: JsonValue })
    // V8 compiles what ajv wrote only now.
    validate(null)
    return { validate, cost: schemaCost(schema) }
  } catch (error) {
    if (isAtollError(error)) return error
    // What ajv finds is an `Error` and nothing more special: anything else is the host's, or a bug.
    if (error instanceof Error && error.name === 'Error') return invalid('schema', error.message)
    throw error
  }
}
