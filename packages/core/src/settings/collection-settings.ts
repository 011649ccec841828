/**
 * **Settings of a collection**: the record `<kind>/<name>` of the Object `.atoll.collections`, so `objects/farms` or
 * `lists/readings`; canonical JSON
 *
 *     {"policy":"fields"|"latest"|"keep"|"script:<name>","schema":<JSON Schema>}
 *
 * with both members optional. A `script:<name>` is the record `<name>` of the Object `.atoll.scripts`: bytes, JavaScript in
 * UTF-8, so that `git show` prints it as it was written.
 *
 * Settings travel like every record, and peers may write what they like: what is no settings is read as none, on every node
 * alike, and makes no commit invalid. Only the bytes of either record count, not whether it is one of JSON or of bytes.
 */
import { AtollError, invalid } from '../errors.ts'
import type { CollectionKind, CollectionName, RecordId, RecordRef } from '../ids.ts'
import { canonicalJson, isCanonicalJson, parseCanonicalJson } from '../json/index.ts'
import { MAX_SCHEMA_BYTES, MAX_SCRIPT_BYTES } from '../limits.ts'
import type { JsonValue } from '../records.ts'
import { decodeUtf8, utf8Length } from '../text.ts'

export type PolicyName = 'fields' | 'latest' | 'keep' | `script:${string}`

export interface CollectionSettings {
  /** How concurrent versions of a record are merged. Default: `fields` for JSON objects, `latest` for all else. */
  readonly policy?: PolicyName
  /** JSON Schema (draft 2020-12) that values are to follow: an object or a boolean. */
  readonly schema?: JsonValue
}

const scriptNamePattern = /^[a-z0-9][a-z0-9_-]{0,63}$/
const scriptPrefix = 'script:'

/** Where the settings of a collection are. */
export function settingsRef(kind: CollectionKind, collection: CollectionName): RecordRef {
  return record('.atoll.collections', `${kind}/${collection}`)
}

/** Where a merge script is. */
export function scriptRef(name: string): RecordRef {
  return record('.atoll.scripts', name)
}

function record(collection: string, id: string): RecordRef {
  return { kind: 'objects', collection: collection as CollectionName, id: id as RecordId }
}

/** The name of the script that is the policy; undefined for the others. */
export function scriptOf(policy: PolicyName | undefined): string | undefined {
  return policy?.startsWith(scriptPrefix) === true ? policy.slice(scriptPrefix.length) : undefined
}

/** @throws INVALID */
export function parseScriptName(name: unknown): string {
  if (typeof name !== 'string' || !scriptNamePattern.test(name))
    throw invalid('script name', 'must match [a-z0-9][a-z0-9_-]{0,63}')
  return name
}

/** Settings as a user gives them. Whether the schema is one is for the one who compiles it to say. @throws INVALID, TOO_LARGE */
export function parseSettings(kind: CollectionKind, value: unknown): CollectionSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw invalid('settings', 'must be an object')
  const { policy, schema, ...others } = value as Readonly<Record<string, unknown>>
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw invalid('settings', `${JSON.stringify(unknown.slice(0, 64))} is not a setting`)
  return {
    ...(policy === undefined ? {} : { policy: parsePolicy(kind, policy) }),
    ...(schema === undefined ? {} : { schema: parseSchema(schema) }),
  }
}

function parsePolicy(kind: CollectionKind, policy: unknown): PolicyName {
  if (!isPolicy(policy)) throw invalid('policy', 'must be fields, latest, keep or script:<name>')
  if (kind === 'lists') throw invalid('policy', 'a List always merges as the union of its records')
  return policy
}

function isPolicy(policy: unknown): policy is PolicyName {
  if (policy === 'fields' || policy === 'latest' || policy === 'keep') return true
  return (
    typeof policy === 'string' &&
    policy.startsWith(scriptPrefix) &&
    scriptNamePattern.test(policy.slice(scriptPrefix.length))
  )
}

function parseSchema(schema: unknown): JsonValue {
  const text = canonicalJson(schema)
  const size = utf8Length(text)
  if (size > MAX_SCHEMA_BYTES) throw tooLarge('schema', MAX_SCHEMA_BYTES, size)
  const plain = JSON.parse(text) as JsonValue
  if (!isSchema(plain)) throw invalid('schema', 'must be a JSON object, true or false')
  return plain
}

function isSchema(value: JsonValue | undefined): value is JsonValue {
  return typeof value === 'boolean' || (typeof value === 'object' && value !== null && !Array.isArray(value))
}

/** @throws INVALID for text with lone surrogates, TOO_LARGE */
export function checkScriptSize(source: string): void {
  const size = utf8Length(source)
  if (size > MAX_SCRIPT_BYTES) throw tooLarge('script', MAX_SCRIPT_BYTES, size)
}

function tooLarge(what: string, limit: number, actual: number): AtollError<'TOO_LARGE'> {
  return new AtollError('TOO_LARGE', `${what}: ${actual} bytes, at most ${limit}`, { what, limit, actual })
}

/** The text of a settings record. */
export function encodeSettings(settings: CollectionSettings): string {
  return canonicalJson(settings)
}

/** Settings as a tree has them. Members that are none are left out: a pure function of the bytes that never fails. */
export function decodeSettings(bytes: Uint8Array): CollectionSettings {
  const text = textOf(bytes)
  // A record of bytes may hold JSON that no value is: too deep, with a member twice or half a character, in another spelling.
  if (text === undefined || !isCanonicalJson(text)) return {}
  const value = parseCanonicalJson(text)
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return {}
  const policy = Object.hasOwn(value, 'policy') ? value['policy'] : undefined
  const schema = Object.hasOwn(value, 'schema') ? value['schema'] : undefined
  return {
    ...(isPolicy(policy) ? { policy } : {}),
    ...(isSchema(schema) && utf8Length(canonicalJson(schema)) <= MAX_SCHEMA_BYTES ? { schema } : {}),
  }
}

/** Undefined for what is no text. */
function textOf(bytes: Uint8Array): string | undefined {
  try {
    return decodeUtf8(bytes)
  } catch {
    return undefined
  }
}
