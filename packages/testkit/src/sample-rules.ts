import { canonicalJson } from '@atolldb/core'
import type { JsonValue, RuleRunner, ScriptOutcome } from '@atolldb/core'
import type { OracleRules } from './oracle-rules.ts'

/** A merge script, and in plain TypeScript what it is to give. */
interface SampleScript {
  readonly source: string
  readonly gives: (base: JsonValue | undefined, versions: readonly (JsonValue | undefined)[]) => ScriptOutcome
}

/** A schema, and in plain TypeScript which values break it. */
interface SampleSchema {
  readonly schema: JsonValue
  readonly isBrokenBy: (value: JsonValue) => boolean
}

const failed: ScriptOutcome = { failure: 'failed', message: 'as it should' }
const outOfLimits: ScriptOutcome = { failure: 'limits', message: 'as it should' }

function returned(value: JsonValue | undefined): ScriptOutcome {
  return { result: value === undefined ? undefined : JSON.stringify(value) }
}

/** What `...value` brings into an object where scripts run: the engine passes over a string, of which Node gives the characters. */
function spread(value: JsonValue | undefined): [string, JsonValue][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

/** Scripts for random histories: some that tell what they were given, some that decide nothing. */
export const sampleScripts: readonly SampleScript[] = [
  {
    source: `(base, versions) => ({
      of: [base, ...versions].map(value => (value === undefined ? 'none' : JSON.stringify(value).slice(0, 24))),
    })`,
    gives: (base, versions) =>
      returned({
        of: [base, ...versions].map(value => (value === undefined ? 'none' : JSON.stringify(value).slice(0, 24))),
      }),
  },
  {
    source: '(base, versions) => ({ ...base, ...versions.at(-1), n: versions.length }) // counts them',
    gives: (base, versions) => {
      const members = [base, versions.at(-1)].flatMap(value => spread(value))
      return returned(Object.fromEntries([...members, ['n', versions.length]]))
    },
  },
  { source: '(base, versions) => versions[0]', gives: (_base, versions) => returned(versions[0]) },
  { source: 'base => base', gives: base => returned(base) },
  { source: 'function merge() {}', gives: () => returned(undefined) },
  {
    source: "(base, versions) => { if (versions.includes(undefined)) throw new Error('gone'); return versions }",
    gives: (_base, versions) =>
      versions.includes(undefined) ? failed : returned(versions.filter(value => value !== undefined)),
  },
  { source: '42', gives: () => failed },
  { source: '() => () => 1', gives: () => failed },
  { source: '() => { for (;;); }', gives: () => outOfLimits },
  // No values: one is nested too deep, the other half a character.
  {
    source: '() => Array.from({ length: 70 }).reduce(inner => [inner], 1)',
    gives: () => ({ result: `${'['.repeat(70)}1${']'.repeat(70)}` }),
  },
  { source: "() => '\\u{1f33e}'[0]", gives: () => ({ result: '"\\ud83c"' }) },
]

/** Schemas for random histories, the last two of which are none and demand nothing. */
export const sampleSchemas: readonly SampleSchema[] = [
  { schema: { maxProperties: 2 }, isBrokenBy: value => (membersOf(value)?.size ?? 0) > 2 },
  { schema: { type: 'object' }, isBrokenBy: value => membersOf(value) === undefined },
  {
    schema: { required: ['a'], properties: { b: { type: 'integer' } } },
    isBrokenBy: value => {
      const members = membersOf(value)
      if (members === undefined) return false
      const b = members.get('b')
      return !members.has('a') || (b !== undefined && !Number.isInteger(b))
    },
  },
  { schema: false, isBrokenBy: () => true },
  { schema: { type: 'objekt' }, isBrokenBy: () => false },
  { schema: { properties: { ['__proto__']: { type: 'string' } } }, isBrokenBy: () => false },
]

function membersOf(value: JsonValue): Map<string, JsonValue> | undefined {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
    ? new Map(Object.entries(value))
    : undefined
}

/** Rules of histories that know no other scripts and schemas than the samples; for the oracle. */
export const sampleOracleRules: OracleRules = {
  runScript({ source, base, versions }) {
    const [baseValue, ...values] = [base, ...versions].map(text =>
      text === undefined ? undefined : (JSON.parse(text) as JsonValue),
    )
    // What else is a script here is the text of something else: no function.
    return sampleScripts.find(script => script.source === source)?.gives(baseValue, values) ?? failed
  },
  breaksSchema: (schema, value) =>
    sampleSchemas.find(sample => canonicalJson(sample.schema) === canonicalJson(schema))?.isBrokenBy(value) ?? false,
}

/** The same for a merge: without a sandbox and without a validator of schemas. */
export const sampleRuleRunner: RuleRunner = {
  runScript: async run => sampleOracleRules.runScript(run),
  violationOf: (schema, value) =>
    sampleOracleRules.breaksSchema(schema, value) ? { path: '', rule: 'sample', reason: 'as it should' } : undefined,
}
