import {
  canonicalJson,
  decodeUtf8,
  encodeUtf8,
  MAX_MERGED_VALUE_BYTES,
  MAX_SCRIPT_INPUT_BYTES,
  MAX_VALUE_BYTES,
  recordKey,
} from '@atolldb/core'
import type {
  CommitId,
  ConflictEntry,
  JsonValue,
  MergeReason,
  ObjectId,
  RecordContent,
  RecordKey,
  RecordRef,
  Stamp,
} from '@atolldb/core'
import { scriptRecord, settingsOf, settingsRecord, sourceOf } from './oracle-rules.ts'
import type { OracleRules, OracleSettings } from './oracle-rules.ts'
import { assign, difference, outcomeAt, parse, print, startsWith } from './oracle-values.ts'
import type { Assignment } from './oracle-values.ts'

/**
 * The definition of a state, as naively as it can be put: the whole history in memory, no trees, no shortcuts. It shares no
 * code with the merge that it is compared with. What is right is what this file says.
 */
export interface OracleCommit {
  readonly id: CommitId
  readonly stamp: Stamp
  /** The heads that its writer saw. */
  readonly parents: readonly CommitId[]
  readonly changes: readonly OracleChange[]
}

/** Content undefined: a delete. */
export interface OracleChange {
  readonly ref: RecordRef
  readonly content: RecordContent | undefined
}

export interface OracleRecord extends OracleChange {
  readonly entry: ConflictEntry | undefined
}

/** What becomes of several versions. */
interface Outcome {
  readonly content: RecordContent | undefined
  readonly contested: boolean
  readonly reason?: MergeReason
}

export class Oracle {
  readonly #hashBlob: (bytes: Uint8Array) => ObjectId
  readonly #rules: OracleRules | undefined
  readonly #commits: OracleCommit[] = []
  readonly #numbers = new Map<CommitId, number>()
  /** By number of a commit: 1 at the number of each commit that is it or its ancestor. */
  readonly #ancestries: Uint8Array[] = []
  /** The commits that changed a record, in the order of their stamps. */
  readonly #changers = new Map<RecordKey, { readonly ref: RecordRef; commits: OracleCommit[] }>()
  readonly #decided = new Map<string, OracleRecord>()

  /** Without `rules`, histories in which a script or a schema matters have no state. */
  constructor(hashBlob: (bytes: Uint8Array) => ObjectId, rules?: OracleRules) {
    this.#hashBlob = hashBlob
    this.#rules = rules
  }

  /** A commit comes after all that it has seen. */
  add(commit: OracleCommit): void {
    const number = this.#commits.push(commit) - 1
    this.#numbers.set(commit.id, number)
    const ancestry = this.#ancestryOf(commit.parents, number + 1)
    ancestry[number] = 1
    this.#ancestries.push(ancestry)
    for (const { ref } of commit.changes) {
      const changers = this.#changers.get(recordKey(ref)) ?? { ref, commits: [] }
      changers.commits = [...changers.commits, commit].sort((a, b) => (stampText(a) < stampText(b) ? -1 : 1))
      this.#changers.set(recordKey(ref), changers)
    }
  }

  commit(id: CommitId): OracleCommit {
    return this.#commits[this.#numbers.get(id)!]!
  }

  /** The commits and all their ancestors. */
  history(heads: Iterable<CommitId>): Set<CommitId> {
    const ancestry = this.#ancestryOf(heads)
    return new Set(this.#commits.filter((_, number) => ancestry[number] === 1).map(({ id }) => id))
  }

  #ancestryOf(heads: Iterable<CommitId>, length = this.#commits.length): Uint8Array {
    const union = new Uint8Array(length)
    for (const id of heads)
      for (const [number, has] of this.#ancestries[this.#numbers.get(id)!]!.entries()) union[number]! |= has
    return union
  }

  isAncestor(a: CommitId, b: CommitId): boolean {
    return this.#ancestries[this.#numbers.get(b)!]![this.#numbers.get(a)!] === 1
  }

  /** Those that are nobody's ancestor, sorted. */
  heads(ids: Iterable<CommitId>): CommitId[] {
    const all = [...new Set(ids)]
    return all.filter(a => !all.some(b => a !== b && this.isAncestor(a, b))).sort()
  }

  /** Every record that has a value or a conflict entry in the state of these heads. */
  state(heads: Iterable<CommitId>): Map<RecordKey, OracleRecord> {
    const ancestry = this.#ancestryOf(heads)
    const state = new Map<RecordKey, OracleRecord>()
    for (const [key, { ref }] of this.#changers) {
      const record = this.#recordIn(ref, ancestry)
      if (record.content !== undefined || record.entry !== undefined) state.set(key, record)
    }
    return state
  }

  /** One record in the state of these heads. */
  record(ref: RecordRef, heads: Iterable<CommitId>): OracleRecord {
    return this.#recordIn(ref, this.#ancestryOf(heads))
  }

  #recordIn(ref: RecordRef, ancestry: Uint8Array): OracleRecord {
    const commits = this.#changers.get(recordKey(ref))?.commits ?? []
    return this.#recordOf(
      ref,
      commits.filter(({ id }) => ancestry[this.#numbers.get(id)!] === 1),
    )
  }

  /** A record's value is a function of the commits that changed it, in the order of their stamps. */
  #recordOf(ref: RecordRef, changes: readonly OracleCommit[]): OracleRecord {
    const versions: OracleCommit[] = []
    // What descends from a commit has a later stamp.
    for (const change of changes.toReversed())
      if (!versions.some(version => this.isAncestor(change.id, version.id))) versions.unshift(change)
    // The other changes are the ancestors of these that changed the record.
    const key = [recordKey(ref), ...versions.map(({ id }) => id)].join(' ')
    const decided = this.#decided.get(key) ?? this.#decide(ref, changes, versions)
    this.#decided.set(key, decided)
    return decided
  }

  #decide(ref: RecordRef, changes: readonly OracleCommit[], versions: readonly OracleCommit[]): OracleRecord {
    const latest = versions.at(-1)
    if (latest === undefined) return { ref, content: undefined, entry: undefined }
    if (versions.length === 1) return { ref, content: contentOf(latest, ref), entry: undefined }
    const settings = this.#settingsAt(latest, ref)
    let outcome = this.#outcome(ref, changes, versions, settings)
    const { content } = outcome
    if (settings.schema !== undefined && content?.format === 'json')
      if (this.#rules!.breaksSchema(settings.schema, JSON.parse(decodeUtf8(content.bytes)) as JsonValue))
        outcome = { ...outcome, contested: true, reason: outcome.reason ?? 'schema' }
    const { contested, reason } = outcome
    const why = reason === undefined ? {} : { reason }
    return { ref, content, entry: { contested, ...why, versions: versions.map(({ id }) => id).sort() } }
  }

  #outcome(
    ref: RecordRef,
    changes: readonly OracleCommit[],
    versions: readonly OracleCommit[],
    { policy }: OracleSettings,
  ): Outcome {
    const contents = versions.map(version => contentOf(version, ref))
    const puts = contents.filter(content => content !== undefined)
    const differ = new Set(contents.map(nameOf)).size > 1
    if (ref.collection.startsWith('.atoll.')) return { content: contents.at(-1), contested: differ }
    if (ref.kind === 'lists')
      return puts.length < contents.length
        ? { content: undefined, contested: puts.length > 0 }
        : { content: puts.at(-1), contested: differ }
    if (policy === 'keep') return { content: puts.at(-1), contested: differ }
    if (policy === 'latest') return { content: contents.at(-1), contested: differ }
    if (policy === 'default') return this.#fieldsOrLatest(ref, changes, versions)
    const made = this.#byScript(ref, changes, versions, policy.script)
    if (typeof made !== 'string') return made
    return { ...this.#fieldsOrLatest(ref, changes, versions), contested: true, reason: made }
  }

  /** The settings of the record's collection in the state of a commit. */
  #settingsAt(commit: OracleCommit, ref: RecordRef): OracleSettings {
    const own = ref.collection.startsWith('.atoll.')
    return settingsOf(own ? undefined : this.record(settingsRecord(ref), [commit.id]).content)
  }

  /** What the script makes of it, or why it makes nothing. */
  #byScript(
    ref: RecordRef,
    changes: readonly OracleCommit[],
    versions: readonly OracleCommit[],
    name: string,
  ): Outcome | MergeReason {
    const source = sourceOf(this.record(scriptRecord(name), [versions.at(-1)!.id]).content)
    if (source === undefined) return 'script-missing'
    const common = changes.filter(({ id }) => versions.every(version => this.isAncestor(id, version.id)))
    const base = common.length === 0 ? undefined : contentOf(common.at(-1)!, ref)
    const contents = versions.map(version => contentOf(version, ref))
    if ([base, ...contents].some(content => content?.format === 'bytes')) return 'script-input'
    const size = [base, ...contents].reduce((sum, content) => sum + (content?.bytes.length ?? 0), 0)
    if (size > MAX_SCRIPT_INPUT_BYTES) return 'script-limits'
    const texts = contents.map(content => content && decodeUtf8(content.bytes))
    const made = this.#rules!.runScript({ source, base: base && decodeUtf8(base.bytes), versions: texts })
    if ('failure' in made) return `script-${made.failure}`
    if (made.result === undefined) return { content: undefined, contested: false }
    try {
      return { content: this.#json(canonicalJson(JSON.parse(made.result))), contested: false }
    } catch {
      return 'script-result'
    }
  }

  #fieldsOrLatest(ref: RecordRef, changes: readonly OracleCommit[], versions: readonly OracleCommit[]): Outcome {
    const contents = versions.map(version => contentOf(version, ref))
    const puts = contents.filter(content => content !== undefined)
    if (!puts.every(put => parse(put) instanceof Map))
      return { content: contents.at(-1), contested: new Set(contents.map(nameOf)).size > 1 }
    if (puts.length === 0) return { content: undefined, contested: false }
    const content = this.#replay(ref, changes)
    const size = content.bytes.length
    const clash = versions.some(v => versions.some(w => v !== w && this.#clash(ref, changes, v, w)))
    return {
      content: size > MAX_MERGED_VALUE_BYTES ? puts.at(-1) : content,
      contested: puts.length < contents.length || clash || size > MAX_VALUE_BYTES,
    }
  }

  /** The changes after the last point that all have seen, in the order of their stamps, on the value at that point. */
  #replay(ref: RecordRef, changes: readonly OracleCommit[]): RecordContent {
    let cut = changes.length - 1
    const isCut = (at: number): boolean =>
      changes.slice(at).every(later => changes.slice(0, at).every(earlier => this.isAncestor(earlier.id, later.id)))
    while (!isCut(cut)) cut--
    const base = this.#recordOf(ref, changes.slice(0, cut)).content
    let value = parse(base)
    for (const [path, assigned] of changes.slice(cut).flatMap(change => this.#assignments(ref, change)))
      value = assign(value, path, assigned)
    if (typeof value === 'symbol')
      return [base, ...changes.map(change => contentOf(change, ref))].find(content => parse(content) === value)!
    return this.#json(canonicalJson(JSON.parse(print(value)), Infinity))
  }

  #json(text: string): RecordContent {
    const bytes = encodeUtf8(text)
    return { format: 'json', version: this.#hashBlob(bytes), bytes }
  }

  /** Did what one saw and the other did not leave a path differently that both touched, or touched around? */
  #clash(ref: RecordRef, changes: readonly OracleCommit[], v: OracleCommit, w: OracleCommit): boolean {
    const seenOnlyBy = (a: OracleCommit, b: OracleCommit): Assignment[] =>
      changes
        .filter(({ id }) => this.isAncestor(id, a.id) && !this.isAncestor(id, b.id))
        .flatMap(change => this.#assignments(ref, change))
    const vOnly = seenOnlyBy(v, w)
    const wOnly = seenOnlyBy(w, v)
    return vOnly.some(([p]) =>
      wOnly.some(([q]) => {
        const deeper = p.length > q.length ? p : q
        return (
          (startsWith(p, q) || startsWith(q, p)) && print(outcomeAt(vOnly, deeper)) !== print(outcomeAt(wOnly, deeper))
        )
      }),
    )
  }

  /** What a put assigned: where it differs from the value that its writer saw. */
  #assignments(ref: RecordRef, commit: OracleCommit): Assignment[] {
    const content = contentOf(commit, ref)
    if (content === undefined) return []
    return difference([], parse(this.record(ref, commit.parents).content), parse(content)!)
  }
}

/** Stamps as text that sorts as they do. */
function stampText({ id, stamp: { clock, node } }: OracleCommit): string {
  return [String(clock.ms).padStart(15, '0'), String(clock.counter).padStart(5, '0'), node, id].join(' ')
}

/** What a commit that changed the record left of it. */
function contentOf(commit: OracleCommit, ref: RecordRef): RecordContent | undefined {
  return commit.changes.find(change => recordKey(change.ref) === recordKey(ref))!.content
}

function nameOf(content: RecordContent | undefined): string {
  return content === undefined ? 'delete' : `${content.format} ${content.version}`
}
