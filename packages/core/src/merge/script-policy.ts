import { invalid } from '../errors.ts'
import type { RuleRunner } from '../contracts/rule-runner.ts'
import { canonicalJson, parseJson } from '../json/index.ts'
import { MAX_SCRIPT_INPUT_BYTES, MAX_VALUE_BYTES } from '../limits.ts'
import type { MergeReason, StoredContent } from '../records.ts'
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
  const texts = await readTexts(input, contents)
  if (texts === undefined) return 'script-limits'
  const [base, ...versions] = texts
  const outcome = await runner.runScript({ source, base, versions })
  if ('failure' in outcome) return outcome.failure === 'limits' ? 'script-limits' : 'script-failed'
  if (outcome.result === undefined) return { content: undefined, contested: false }
  const bytes = valueBytes(outcome.result)
  if (bytes === undefined) return 'script-result'
  return { content: { format: 'json', version: input.versionOf(bytes), bytes }, contested: false }
}

/** Undefined where they are too large together: hundreds of versions need not be in memory to know that. */
async function readTexts(
  input: PolicyInput,
  contents: readonly (StoredContent | undefined)[],
): Promise<(string | undefined)[] | undefined> {
  const texts: (string | undefined)[] = []
  let size = 0
  for (const content of contents) {
    const bytes = content && (await input.read(content))
    size += bytes?.length ?? 0
    if (size > MAX_SCRIPT_INPUT_BYTES) return undefined
    texts.push(bytes && decodeUtf8(bytes))
  }
  return texts
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
