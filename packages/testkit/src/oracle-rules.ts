import { canonicalJson, decodeUtf8, encodeUtf8, MAX_SCHEMA_BYTES, MAX_SCRIPT_BYTES } from '@atolldb/core'
import type { JsonValue, RecordContent, RecordRef, ScriptOutcome, ScriptRun } from '@atolldb/core'

/** What scripts give and schemas demand: for the oracle functions from outside. */
export interface OracleRules {
  runScript(run: ScriptRun): ScriptOutcome
  breaksSchema(schema: JsonValue, value: JsonValue): boolean
}

/** What the settings of a collection say. */
export interface OracleSettings {
  readonly policy: 'default' | 'latest' | 'keep' | { readonly script: string }
  readonly schema: JsonValue | undefined
}

export function settingsOf(content: RecordContent | undefined): OracleSettings {
  const none: OracleSettings = { policy: 'default', schema: undefined }
  if (content === undefined) return none
  let settings: unknown
  try {
    // Only the bytes count: a record of bytes that are the text of settings is settings.
    const text = decodeUtf8(content.bytes)
    settings = JSON.parse(text)
    if (canonicalJson(settings) !== text) return none
  } catch {
    return none
  }
  if (typeof settings !== 'object' || settings === null || Array.isArray(settings)) return none
  const { policy, schema } = settings as Readonly<Record<string, JsonValue | undefined>>
  return { policy: policyOf(policy), schema: isSchema(schema) ? schema : undefined }
}

function policyOf(policy: JsonValue | undefined): OracleSettings['policy'] {
  if (policy === 'latest' || policy === 'keep') return policy
  const [, script] = typeof policy === 'string' ? (/^script:([a-z0-9][a-z0-9_-]{0,63})$/.exec(policy) ?? []) : []
  return script === undefined ? 'default' : { script }
}

function isSchema(schema: JsonValue | undefined): boolean {
  if (typeof schema === 'boolean') return true
  if (typeof schema !== 'object' || schema === null || Array.isArray(schema)) return false
  return encodeUtf8(canonicalJson(schema)).length <= MAX_SCHEMA_BYTES
}

/** A script's record as its source; undefined where it is none. */
export function sourceOf(content: RecordContent | undefined): string | undefined {
  if (content === undefined || content.bytes.length > MAX_SCRIPT_BYTES) return undefined
  try {
    return decodeUtf8(content.bytes)
  } catch {
    return undefined
  }
}

export function settingsRecord({ kind, collection }: RecordRef): RecordRef {
  return { kind: 'objects', collection: '.atoll.collections', id: `${kind}/${collection}` } as RecordRef
}

export function scriptRecord(name: string): RecordRef {
  return { kind: 'objects', collection: '.atoll.scripts', id: name } as RecordRef
}
