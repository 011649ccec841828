import type { StoredContent } from '../records.ts'
import { mergeFields } from './fields-policy.ts'
import type { Policy, PolicyInput, PolicyOutcome, Version } from './policy.ts'

/**
 * The one place that chooses a record's policy: by kind, collection and values. (Settings of collections will be read here,
 * from the tree of the commit of the latest version.)
 */
export async function policyOf(input: PolicyInput): Promise<Policy> {
  if (input.ref.kind === 'lists') return mergeLines
  if (input.ref.collection.startsWith('.atoll.')) return takeLatest
  for (const { content } of input.versions)
    if (content !== undefined && !(await holdsJsonObject(input, content))) return takeLatest
  return mergeFields
}

/** `latest`: the version with the greatest stamp, a delete included. Contested if the versions differ. */
export const takeLatest: Policy = async ({ versions }) => latestOf(versions)

/** Lists: a delete wins over an insert; of one id with two contents the greatest stamp stays. */
export const mergeLines: Policy = async ({ versions }) => {
  const inserts = versions.filter(version => version.content !== undefined)
  if (inserts.length < versions.length) return { content: undefined, contested: inserts.length > 0 }
  return latestOf(inserts)
}

function latestOf(versions: readonly Version[]): PolicyOutcome {
  const content = versions.at(-1)?.content
  return { content, contested: versions.some(version => !sameContent(version.content, content)) }
}

export function sameContent(a: StoredContent | undefined, b: StoredContent | undefined): boolean {
  return a?.version === b?.version && a?.format === b?.format
}

async function holdsJsonObject(input: PolicyInput, content: StoredContent): Promise<boolean> {
  if (content.format !== 'json') return false
  const bytes = await input.read(content)
  return bytes[0] === OPENING_BRACE
}

/** Canonical JSON has no blanks before its first character. */
const OPENING_BRACE = 0x7b
