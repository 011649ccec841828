import { assert } from '../errors.ts'
import { canonicalJson, parseCanonicalJson } from '../json/index.ts'
import { MAX_MERGED_VALUE_BYTES, MAX_VALUE_BYTES } from '../limits.ts'
import type { StoredContent } from '../records.ts'
import { decodeUtf8, encodeUtf8 } from '../text.ts'
import { addOutcome, assign, assignmentsOf, outcomesClash } from './assignments.ts'
import type { Assignment, FieldValue, Outcomes } from './assignments.ts'
import type { HistoricChange, PolicyInput, PolicyOutcome, Version } from './policy.ts'

/** A put, as what it assigned. */
interface Assigned {
  readonly assignments: readonly Assignment[]
  readonly heirs: bigint
}

/**
 * `fields`: every path is a last-writer-wins value of its own. A put assigns the paths in which it differs from its
 * parent's value; the value is the replay of the puts in the order of their stamps, on the value that all of them have
 * seen. Deletes are not replayed: an edit stays, and the delete is left out (contested); deletes alone leave no record.
 */
export async function mergeFields(input: PolicyInput): Promise<PolicyOutcome> {
  const { versions } = input
  const puts = versions.filter(version => version.content !== undefined).length
  if (puts === 0) return { content: undefined, contested: false }
  const { base, changes } = await input.history()
  const values = new FieldValues(input)
  const assigned: Assigned[] = []
  for (const change of changes) assigned.push(await assignedBy(values, change))

  let value = await values.read(base)
  for (const { assignments } of assigned) for (const assignment of assignments) value = assign(value, assignment)
  assert(value !== undefined, 'a put leaves a value')

  const content = values.write(value)
  // Versions within the limits can be too much together. Nothing is cut off; but objects must stay legal.
  if (content === undefined)
    return { content: versions.findLast(put => put.content !== undefined)?.content, contested: true }
  const tooLarge = content.bytes !== undefined && content.bytes.length > MAX_VALUE_BYTES
  return { content, contested: puts < versions.length || tooLarge || versionsClash(versions, assigned) }
}

async function assignedBy(values: FieldValues, { before, after, heirs }: HistoricChange): Promise<Assigned> {
  const value = await values.read(after)
  return { assignments: value === undefined ? [] : assignmentsOf(await values.read(before), value), heirs }
}

/** Did two versions' histories, each without what the other saw too, leave an equal or nested path differently? */
function versionsClash(versions: readonly Version[], assigned: readonly Assigned[]): boolean {
  for (let v = 1; v < versions.length; v++)
    for (let w = 0; w < v; w++)
      if (outcomesClash(outcomesWithout(assigned, v, w), outcomesWithout(assigned, w, v))) return true
  return false
}

/** The outcome of what one version saw and the other did not. */
function outcomesWithout(assigned: readonly Assigned[], seenBy: number, unseenBy: number): Outcomes {
  let outcomes: Outcomes
  for (const { assignments, heirs } of assigned) {
    if (!hasBit(heirs, seenBy) || hasBit(heirs, unseenBy)) continue
    for (const assignment of assignments) outcomes = addOutcome(outcomes, assignment)
  }
  return outcomes
}

function hasBit(bits: bigint, bit: number): boolean {
  return ((bits >> BigInt(bit)) & 1n) === 1n
}

/** Contents as values with paths, and back. The value before one change is often the value after another. */
class FieldValues {
  readonly #input: PolicyInput
  readonly #valueByVersion = new Map<string, FieldValue>()
  readonly #bytesBySymbol = new Map<FieldValue, StoredContent>()

  constructor(input: PolicyInput) {
    this.#input = input
  }

  /** Undefined for an absent record. */
  async read(content: StoredContent | undefined): Promise<FieldValue | undefined> {
    if (content === undefined) return undefined
    const key = `${content.format} ${content.version}`
    let value = this.#valueByVersion.get(key)
    if (value === undefined) {
      value = content.format === 'json' ? parseCanonicalJson(decodeUtf8(await this.#input.read(content))) : Symbol(key)
      this.#valueByVersion.set(key, value)
      if (typeof value === 'symbol') this.#bytesBySymbol.set(value, content)
    }
    return value
  }

  /** Undefined where the text is longer than a merged value may be. */
  write(value: FieldValue): StoredContent | undefined {
    if (typeof value === 'symbol') {
      const content = this.#bytesBySymbol.get(value)
      assert(content !== undefined, 'bytes were read before they are written')
      return content
    }
    const bytes = encodeUtf8(canonicalJson(value, Number.POSITIVE_INFINITY))
    if (bytes.length > MAX_MERGED_VALUE_BYTES) return undefined
    return { format: 'json', version: this.#input.versionOf(bytes), bytes }
  }
}
