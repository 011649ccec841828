import { AtollError, invalid, isReservedCollection, type NodeId, type RecordRef } from '@atolldb/core'
import type { ConflictOutcome } from '../api/conflicts.ts'
import { MIN_PREFIX_LENGTH } from '../history/commit-names.ts'
import { contentVersion, valueToContent } from '../engine/content.ts'
import type { ViewContent } from '../view/encoding.ts'
import type { ConflictReader, FoundConflict, FoundVersion } from './conflict-reader.ts'

/** The content of a whole value for a record of Atoll's own, which has rules of its own. */
export type ReservedContent = (ref: RecordRef, value: unknown) => Promise<ViewContent | undefined>

export interface OutcomeParts {
  readonly reader: ConflictReader
  readonly node: NodeId
  readonly reservedContent: ReservedContent
}

/**
 * What a record becomes by the outcome of its conflict; undefined: it is deleted.
 * @throws INVALID when there is no such version, UNSUPPORTED for another value of a List record, TOO_LARGE; for settings and
 * scripts, what `configure` and `scripts.put` throw
 */
export async function outcomeContent(
  found: FoundConflict,
  outcome: ConflictOutcome,
  { reader, node, reservedContent }: OutcomeParts,
): Promise<ViewContent | undefined> {
  checkForm(outcome)
  if ('delete' in outcome) return undefined
  if ('take' in outcome && outcome.take === 'chosen') return found.chosen
  if ('value' in outcome && isReservedCollection(found.ref.collection)) return reservedContent(found.ref, outcome.value)
  const content =
    'value' in outcome ? valueToContent(outcome.value) : pick(await reader.versions(found), outcome, node).content
  checkList(found, content)
  return content
}

/** Callers without types, and the door, may say anything. @throws INVALID */
function checkForm(outcome: unknown): asserts outcome is ConflictOutcome {
  const members = typeof outcome === 'object' && outcome !== null ? Object.entries(outcome) : []
  const [[name, value] = [], ...others] = members
  if (others.length === 0) {
    if (name === 'take' && (value === 'ours' || value === 'theirs' || value === 'chosen')) return
    if (name === 'commit' && typeof value === 'string') return
    if (name === 'value' || (name === 'delete' && value === true)) return
  }
  throw invalid('outcome', 'must be one of { take: ours, theirs or chosen }, { commit }, { value }, { delete: true }')
}

type Pick = Extract<ConflictOutcome, { take: unknown } | { commit: unknown }>

/** @throws INVALID */
function pick(versions: readonly FoundVersion[], outcome: Pick, node: NodeId): FoundVersion {
  if ('commit' in outcome) return pickCommit(versions, outcome.commit)
  const ours = versions.findLast(({ author }) => author.node === node)
  const known = versions.map(({ commit }) => commit.slice(0, 10)).join(', ')
  if (ours === undefined) throw invalid('outcome', `this node wrote none of the versions: name one by commit: ${known}`)
  if (outcome.take === 'ours') return ours
  const [theirs, ...more] = versions.filter(version => version !== ours)
  if (theirs === undefined || more.length > 0)
    throw invalid('outcome', `there are ${versions.length} versions: name one by commit: ${known}`)
  return theirs
}

/** By id, or by a beginning of four digits or more that only one of them has. @throws INVALID */
function pickCommit(versions: readonly FoundVersion[], name: string): FoundVersion {
  const prefix = name.toLowerCase()
  const named = versions.filter(({ commit }) => prefix.length >= MIN_PREFIX_LENGTH && commit.startsWith(prefix))
  const [found, ...others] = named
  if (found !== undefined && others.length === 0) return found
  throw invalid('commit', `${JSON.stringify(name.slice(0, 64))} does not name one of the versions`)
}

/** A line that is there may be kept or deleted, nothing else. @throws UNSUPPORTED */
function checkList({ ref, chosen }: FoundConflict, content: ViewContent | undefined): void {
  if (ref.kind === 'objects' || content === undefined) return
  const isKept = chosen === undefined || contentVersion(chosen) === contentVersion(content)
  if (isKept && content.format === 'json') return
  const what = 'another value of a List record'
  throw new AtollError('UNSUPPORTED', 'records of a List are immutable: keep what is chosen, or delete it', { what })
}
