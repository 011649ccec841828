import { invalid } from '../errors.ts'
import type { RuleRunner } from '../contracts/rule-runner.ts'
import { canonicalJson, parseJson } from '../json/index.ts'
import { MAX_VALUE_BYTES } from '../limits.ts'
import type { MergeReason } from '../records.ts'
import { decodeUtf8, encodeUtf8 } from '../text.ts'
import type { PolicyInput, PolicyOutcome } from './policy.ts'

/**
 * `script:<name>`: what the script makes of the versions; nothing is contested. Gives the reason instead where the script is
 * missing, fails, exceeds its limits, or returns what is no value; the caller then falls back.
 */
export async function mergeByScript(
  input: PolicyInput,
  source: string | undefined,
  runner: RuleRunner,
): Promise<PolicyOutcome | MergeReason> {
  if (source === undefined) return 'script-missing'
  const contents = [await input.commonValue(), ...input.versions.map(version => version.content)]
  // A script is about JSON.
  if (contents.some(content => content?.format === 'bytes')) return 'script-input'
  const [base, ...versions] = await Promise.all(
    contents.map(async content => (content === undefined ? undefined : decodeUtf8(await input.read(content)))),
  )
  const outcome = await runner.runScript({ source, base, versions })
  if ('failure' in outcome) return outcome.failure === 'limits' ? 'script-limits' : 'script-failed'
  if (outcome.result === undefined) return { content: undefined, contested: false }
  const bytes = valueBytes(outcome.result)
  if (bytes === undefined) return 'script-result'
  return { content: { format: 'json', version: input.versionOf(bytes), bytes }, contested: false }
}

/** Undefined for what is no value within the limits. */
function valueBytes(text: string): Uint8Array | undefined {
  try {
    const bytes = encodeUtf8(canonicalJson(parseJson(text)))
    if (bytes.length > MAX_VALUE_BYTES) throw invalid('value', 'too large')
    return bytes
  } catch {
    return undefined
  }
}
