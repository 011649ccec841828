import { assert } from '../errors.ts'
import { canonicalJson, parseCanonicalJson } from '../json/index.ts'
import { MAX_MERGED_VALUE_BYTES, MAX_VALUE_BYTES } from '../limits.ts'
import type { StoredContent } from '../records.ts'
import { decodeUtf8, encodeUtf8 } from '../text.ts'
import { assign, assignmentsOf } from './assignments.ts'
import type { FieldValue } from './assignments.ts'
import type { HistoricChange, PolicyInput, PolicyOutcome } from './policy.ts'
import { versionsClash } from './versions-clash.ts'
import type { Assigned } from './versions-clash.ts'
import { WorkSlices } from './work-slices.ts'

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
  const slices = new WorkSlices(input.breathe)
  const values = new FieldValues(input, slices)
  const assigned: Assigned[] = []
  for (const change of changes) assigned.push(await assignedBy(values, change))

  let value = await values.read(base)
  const own = new Set<object>()
  for (const { assignments } of assigned)
    for (const assignment of assignments) {
      value = assign(value, assignment, own)
      if (slices.isOver(1 + assignment.path.length)) await slices.breathe()
    }
  assert(value !== undefined, 'a put leaves a value')

  const content = values.write(value)
  if (slices.isOver(stepsOf(content?.bytes))) await slices.breathe()
  // Versions within the limits can be too much together. Nothing is cut off; but objects must stay legal.
  if (content === undefined)
    return { content: versions.findLast(put => put.content !== undefined)?.content, contested: true }
  const tooLarge = content.bytes !== undefined && content.bytes.length > MAX_VALUE_BYTES
  const contested = puts < versions.length || tooLarge || (await versionsClash(versions.length, assigned, slices))
  return { content, contested }
}

async function assignedBy(values: FieldValues, { before, after, heirs }: HistoricChange): Promise<Assigned> {
  const value = await values.read(after)
  return { assignments: value === undefined ? [] : assignmentsOf(await values.read(before), value), heirs }
}

/** Contents as values with paths, and back. The value before one change is often the value after another. */
class FieldValues {
  readonly #input: PolicyInput
  readonly #slices: WorkSlices
  readonly #readByVersion = new Map<string, { readonly value: FieldValue; readonly steps: number }>()
  readonly #bytesBySymbol = new Map<FieldValue, StoredContent>()

  constructor(input: PolicyInput, slices: WorkSlices) {
    this.#input = input
    this.#slices = slices
  }

  /** Undefined for an absent record. */
  async read(content: StoredContent | undefined): Promise<FieldValue | undefined> {
    if (content === undefined) return undefined
    const key = `${content.format} ${content.version}`
    let read = this.#readByVersion.get(key)
    if (read === undefined) {
      const bytes = content.format === 'json' ? await this.#input.read(content) : undefined
      read = { value: bytes === undefined ? Symbol(key) : parseCanonicalJson(decodeUtf8(bytes)), steps: stepsOf(bytes) }
      this.#readByVersion.set(key, read)
      if (typeof read.value === 'symbol') this.#bytesBySymbol.set(read.value, content)
    }
    // What is read is compared next: that is work too where it was parsed before.
    if (this.#slices.isOver(read.steps)) await this.#slices.breathe()
    return read.value
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

/** What it costs to parse, compare or write a text, in steps about as long as an assignment. */
function stepsOf(bytes: Uint8Array | undefined): number {
  return bytes === undefined ? 1 : 1 + bytes.length / 16
}
