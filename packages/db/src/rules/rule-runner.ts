import type { RuleRunner } from '@atolldb/core'
import type { Schemas } from './schemas.ts'
import type { ScriptSandbox } from './script-sandbox.ts'

/** What merges and verifications decide by. */
export function createRuleRunner(schemas: Schemas, sandbox: ScriptSandbox): RuleRunner {
  return {
    runScript: run => sandbox.run(run),
    violationOf: (schema, value) => schemas.violationOf(schema, value),
  }
}
