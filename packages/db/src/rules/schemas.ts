import { createRequire } from 'node:module'
import { AtollError, canonicalJson, invalid, isAtollError, type JsonValue, type SchemaViolation } from '@atolldb/core'
import type * as ajv2020 from 'ajv/dist/2020.js'
import { LRUCache } from 'lru-cache'
import { linearPattern } from './linear-pattern.ts'
import { checkSchemaLimits } from './schema-limits.ts'

const COMPILED_SCHEMAS = 64
/** Most nodes have no schema, and need not wait for ajv when they start. */
const require = createRequire(import.meta.url)

/**
 * JSON Schema, draft 2020-12, as ajv has it, with what follows from values being everybody's: an answer is a function of schema
 * and value alone. `format` annotates and checks nothing; patterns are matched in linear time; references stay within the
 * schema and do not lead back to themselves.
 */
export class Schemas {
  readonly #compiled = new LRUCache<string, ajv2020.ValidateFunction | AtollError>({ max: COMPILED_SCHEMAS })

  /** @throws INVALID when it is no schema, or one that is not taken */
  check(schema: JsonValue): void {
    const compiled = this.#compile(schema)
    if (compiled instanceof AtollError) throw compiled
  }

  /** Undefined when the value follows the schema, or the schema is none. */
  violationOf(schema: JsonValue, value: JsonValue): SchemaViolation | undefined {
    const validate = this.#compile(schema)
    if (validate instanceof AtollError || validate(value)) return undefined
    const error = validate.errors?.[0]
    const path = error?.instancePath ?? ''
    return { path, rule: error?.keyword ?? 'schema', reason: error?.message ?? 'breaks the schema' }
  }

  #compile(schema: JsonValue): ajv2020.ValidateFunction | AtollError {
    const text = canonicalJson(schema)
    let compiled = this.#compiled.get(text)
    if (compiled === undefined) this.#compiled.set(text, (compiled = compile(text)))
    return compiled
  }
}

function compile(text: string): ajv2020.ValidateFunction | AtollError {
  const schema = JSON.parse(text) as JsonValue
  try {
    checkSchemaLimits(schema)
    const { Ajv2020 } = require('ajv/dist/2020.js') as typeof ajv2020
    // An instance of its own: schemas of several collections may bear the same $id.
    const ajv = new Ajv2020({
      strictTypes: false,
      strictTuples: false,
      validateFormats: false,
      ownProperties: true,
      logger: false,
      code: { regExp: linearPattern },
    })
    return ajv.compile(schema as boolean | { [key: string]: JsonValue })
  } catch (error) {
    if (isAtollError(error)) return error
    const reason = error instanceof Error ? error.message : String(error)
    return invalid('schema', reason)
  }
}
