import type { JsonValue } from '../records.ts'

/**
 * Carries out the rules that a cluster's users wrote: merge scripts and schemas. Both are pure functions of what is passed
 * in, the same on every node, platform and time zone: the state of a cluster depends on them.
 */
export interface RuleRunner {
  /** Rejects when the run itself cannot be made here and now (no memory for a worker): that says nothing about the script. */
  runScript(run: ScriptRun): Promise<ScriptOutcome>
  /**
   * Where a value breaks a schema; undefined when it follows it, and when the schema is no schema: that demands nothing. `limits`
   * when it takes more steps to tell than one may take, which is a function of the two as well.
   */
  violationOf(schema: JsonValue, value: JsonValue): SchemaViolation | 'limits' | undefined
}

export interface ScriptRun {
  /** JavaScript: an expression whose value is `(base, versions) => value | undefined`. */
  readonly source: string
  /** JSON text of the base; undefined where there was no record. */
  readonly base: string | undefined
  /** JSON texts of the versions in the order of their stamps; undefined for a delete. */
  readonly versions: readonly (string | undefined)[]
}

export type ScriptOutcome =
  /** What it returned, as JSON text; undefined: the record is to be absent. */
  | { readonly result: string | undefined }
  /** It threw, is no function, or returned what is no JSON; or it went beyond a limit of steps or memory. */
  | { readonly failure: 'failed' | 'limits'; readonly message: string }

/** Where a value breaks a schema. */
export interface SchemaViolation {
  /** JSON Pointer into the value; empty for the whole. */
  readonly path: string
  /** The keyword that it breaks: `required`, `type`, … */
  readonly rule: string
  /** In words. */
  readonly reason: string
}
