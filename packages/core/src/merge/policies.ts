import { assert } from '../errors.ts'
import type { RuleRunner } from '../contracts/rule-runner.ts'
import { isReservedCollection } from '../ids.ts'
import { parseCanonicalJson } from '../json/index.ts'
import { sameContent, type StoredContent } from '../records.ts'
import { scriptOf } from '../settings/collection-settings.ts'
import type { CollectionSettings } from '../settings/collection-settings.ts'
import { decodeUtf8 } from '../text.ts'
import { mergeFields } from './fields-policy.ts'
import type { Policy, PolicyInput, PolicyOutcome, Version } from './policy.ts'
import { mergeByScript } from './script-policy.ts'

/** The rules of a record's collection, as the state of its latest version has them. */
export interface RecordRules {
  readonly settings: CollectionSettings
  readonly script: (name: string) => Promise<string | undefined>
  /** Where there is none, a script or a schema cannot be met. */
  readonly runner: RuleRunner | undefined
}

/**
 * The one place that chooses a record's policy: by kind, collection, settings and values. A merged value that breaks the
 * schema, or takes too much to check, stays, and is contested. Collections of Atoll's own have neither settings nor schema.
 */
export async function mergeVersions(input: PolicyInput, rules: RecordRules): Promise<PolicyOutcome> {
  if (isReservedCollection(input.ref.collection)) return takeLatest(input)
  const outcome = input.ref.kind === 'lists' ? await mergeLines(input) : await mergeObjects(input, rules)
  const { schema } = rules.settings
  if (schema === undefined || outcome.content?.format !== 'json') return outcome
  const runner = runnerOf(rules)
  const value = parseCanonicalJson(decodeUtf8(await input.read(outcome.content)))
  const violation = runner.violationOf(schema, value)
  if (violation === undefined) return outcome
  const reason = violation === 'limits' ? 'schema-limits' : 'schema'
  return { ...outcome, contested: true, reason: outcome.reason ?? reason }
}

async function mergeObjects(input: PolicyInput, rules: RecordRules): Promise<PolicyOutcome> {
  const { policy } = rules.settings
  if (policy === 'keep') return keepLatest(input)
  if (policy === 'latest') return takeLatest(input)
  const script = scriptOf(policy)
  if (script === undefined) return mergeFieldsOrLatest(input)
  const outcome = await mergeByScript(input, await rules.script(script), runnerOf(rules))
  if (typeof outcome !== 'string') return outcome
  const fallback = await mergeFieldsOrLatest(input)
  return { ...fallback, contested: true, reason: outcome }
}

function runnerOf({ runner }: RecordRules): RuleRunner {
  assert(runner !== undefined, 'who merges can run the rules of collections')
  return runner
}

/** `fields` is about JSON objects; for other values it is `latest`. */
async function mergeFieldsOrLatest(input: PolicyInput): Promise<PolicyOutcome> {
  for (const { content } of input.versions)
    if (content !== undefined && !(await holdsJsonObject(input, content))) return takeLatest(input)
  return mergeFields(input)
}

/** `latest`: the version with the greatest stamp, a delete included. Contested if the versions differ. */
const takeLatest: Policy = async ({ versions }) => latestOf(versions, versions)

/** `keep`: the edit with the greatest stamp is shown; whatever differs from it waits until someone decides. */
const keepLatest: Policy = async ({ versions }) => {
  const edits = versions.filter(version => version.content !== undefined)
  return latestOf(edits, versions)
}

/** Lists: a delete wins over an insert; of one id with two contents the greatest stamp stays. */
const mergeLines: Policy = async ({ versions }) => {
  const inserts = versions.filter(version => version.content !== undefined)
  if (inserts.length < versions.length) return { content: undefined, contested: inserts.length > 0 }
  return latestOf(inserts, inserts)
}

function latestOf(shown: readonly Version[], versions: readonly Version[]): PolicyOutcome {
  const content = shown.at(-1)?.content
  return { content, contested: versions.some(version => !sameContent(version.content, content)) }
}

async function holdsJsonObject(input: PolicyInput, content: StoredContent): Promise<boolean> {
  if (content.format !== 'json') return false
  const bytes = await input.read(content)
  return bytes[0] === OPENING_BRACE
}

/** Canonical JSON has no blanks before its first character. */
const OPENING_BRACE = 0x7b
