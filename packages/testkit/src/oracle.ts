import {
  canonicalJson,
  decodeUtf8,
  encodeUtf8,
  MAX_MERGED_VALUE_BYTES,
  MAX_VALUE_BYTES,
  recordKey,
} from '@atolldb/core'
import type { CommitId, ConflictEntry, ObjectId, RecordContent, RecordKey, RecordRef, Stamp } from '@atolldb/core'

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

/** JSON with Maps for objects; a symbol is bytes. */
type Value = string | number | boolean | null | symbol | Value[] | Map<string, Value>
type Path = readonly string[]
type Assignment = readonly [path: Path, value: Value | undefined]

export class Oracle {
  readonly #hashBlob: (bytes: Uint8Array) => ObjectId
  readonly #commits = new Map<CommitId, OracleCommit>()
  readonly #ancestry = new Map<CommitId, ReadonlySet<CommitId>>()
  readonly #records = new Map<string, OracleRecord>()

  constructor(hashBlob: (bytes: Uint8Array) => ObjectId) {
    this.#hashBlob = hashBlob
  }

  add(commit: OracleCommit): void {
    this.#commits.set(commit.id, commit)
    this.#ancestry.set(commit.id, new Set([commit.id, ...this.history(commit.parents)]))
  }

  commit(id: CommitId): OracleCommit {
    return this.#commits.get(id)!
  }

  /** The commits and all their ancestors. */
  history(heads: Iterable<CommitId>): Set<CommitId> {
    return new Set([...heads].flatMap(id => [...this.#ancestry.get(id)!]))
  }

  isAncestor(a: CommitId, b: CommitId): boolean {
    return this.#ancestry.get(b)!.has(a)
  }

  /** Those that are nobody's ancestor, sorted. */
  heads(ids: Iterable<CommitId>): CommitId[] {
    const all = [...new Set(ids)]
    return all.filter(a => !all.some(b => a !== b && this.isAncestor(a, b))).sort()
  }

  /** Every record that has a value or a conflict entry in the state of these heads. */
  state(heads: Iterable<CommitId>): Map<RecordKey, OracleRecord> {
    const history = [...this.history(heads)].map(id => this.#commits.get(id)!)
    const state = new Map<RecordKey, OracleRecord>()
    for (const { ref } of history.flatMap(commit => commit.changes)) {
      const record = this.record(ref, history)
      if (record.content !== undefined || record.entry !== undefined) state.set(recordKey(ref), record)
    }
    return state
  }

  record(ref: RecordRef, history: readonly OracleCommit[]): OracleRecord {
    const changes = history
      .filter(commit => changeOf(commit, ref) !== undefined)
      .sort((a, b) => (stampText(a) < stampText(b) ? -1 : 1))
    // A record's value is a function of the commits that changed it.
    const memo = [recordKey(ref), ...changes.map(commit => commit.id)].join(' ')
    const record = this.#records.get(memo) ?? this.#decide(ref, changes)
    this.#records.set(memo, record)
    return record
  }

  #decide(ref: RecordRef, changes: readonly OracleCommit[]): OracleRecord {
    const versions = changes.filter(a => !changes.some(b => a !== b && this.isAncestor(a.id, b.id)))
    const latest = versions.at(-1)
    if (latest === undefined) return { ref, content: undefined, entry: undefined }
    if (versions.length === 1) return { ref, content: changeOf(latest, ref)!.content, entry: undefined }

    const contents = versions.map(version => changeOf(version, ref)!.content)
    const puts = contents.filter(content => content !== undefined)
    const deletes = contents.length - puts.length
    let content = contents.at(-1)
    let contested = new Set(contents.map(nameOf)).size > 1
    if (ref.kind === 'lists') {
      content = deletes > 0 ? undefined : puts.at(-1)
      contested = deletes > 0 ? puts.length > 0 : contested
    } else if (this.#policyAt(latest, ref) === 'keep') {
      content = puts.at(-1)
    } else if (
      !ref.collection.startsWith('.atoll.') &&
      this.#policyAt(latest, ref) !== 'latest' &&
      puts.every(put => parse(put) instanceof Map)
    ) {
      content = puts.length === 0 ? undefined : this.#replay(ref, changes)
      const tooLarge = content !== undefined && content.bytes.length > MAX_VALUE_BYTES
      const clash = versions.some(v => versions.some(w => v !== w && this.#clash(ref, changes, v, w)))
      contested = puts.length > 0 && (deletes > 0 || clash || tooLarge)
      if (content !== undefined && content.bytes.length > MAX_MERGED_VALUE_BYTES) content = puts.at(-1)
    }
    return { ref, content, entry: { contested, versions: versions.map(version => version.id).sort() } }
  }

  /** The policy of the record's collection in the state of a commit; undefined for none. */
  #policyAt(commit: OracleCommit, { kind, collection }: RecordRef): unknown {
    if (collection.startsWith('.atoll.')) return undefined
    const seen = [...this.history([commit.id])].map(id => this.#commits.get(id)!)
    const ref = { kind: 'objects', collection: '.atoll.collections', id: `${kind}/${collection}` } as RecordRef
    const settings = parse(this.record(ref, seen).content)
    return settings instanceof Map ? settings.get('policy') : undefined
  }

  /** The changes after the last point that all have seen, in the order of their stamps, on the value at that point. */
  #replay(ref: RecordRef, changes: readonly OracleCommit[]): RecordContent {
    let cut = changes.length - 1
    const isCut = (at: number): boolean =>
      changes.slice(at).every(later => changes.slice(0, at).every(earlier => this.isAncestor(earlier.id, later.id)))
    while (!isCut(cut)) cut--
    const base = this.record(ref, changes.slice(0, cut)).content
    let value = parse(base)
    for (const [path, assigned] of changes.slice(cut).flatMap(change => this.#assignments(ref, change)))
      value = assign(value, path, assigned)
    if (typeof value === 'symbol')
      return [base, ...changes.map(change => changeOf(change, ref)!.content)].find(content => parse(content) === value)!
    const bytes = encodeUtf8(canonicalJson(JSON.parse(print(value)), Infinity))
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
    const content = changeOf(commit, ref)!.content
    if (content === undefined) return []
    const seen = [...this.history(commit.parents)].map(id => this.#commits.get(id)!)
    return difference([], parse(this.record(ref, seen).content), parse(content)!)
  }
}

/** Stamps as text that sorts as they do. */
function stampText({ id, stamp: { clock, node } }: OracleCommit): string {
  return [String(clock.ms).padStart(15, '0'), String(clock.counter).padStart(5, '0'), node, id].join(' ')
}

function changeOf(commit: OracleCommit, ref: RecordRef): OracleChange | undefined {
  return commit.changes.find(change => recordKey(change.ref) === recordKey(ref))
}

function nameOf(content: RecordContent | undefined): string {
  return content === undefined ? 'delete' : `${content.format} ${content.version}`
}

function difference(path: Path, before: Value | undefined, after: Value): Assignment[] {
  if (!(before instanceof Map && after instanceof Map)) return print(before) === print(after) ? [] : [[path, after]]
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((key): Assignment[] =>
    after.has(key) ? difference([...path, key], before.get(key), after.get(key)!) : [[[...path, key], undefined]],
  )
}

function assign(value: Value | undefined, path: Path, assigned: Value | undefined): Value | undefined {
  const [key, ...rest] = path
  if (key === undefined) return assigned
  const before = value instanceof Map ? value : new Map<string, Value>()
  if (assigned === undefined && !before.has(key)) return value
  const child = assign(before.get(key), rest, assigned)
  const after = new Map(before)
  if (child === undefined) after.delete(key)
  else after.set(key, child)
  return after
}

/** What is at a path after these assignments, the first of which to matter is at the path or around it. */
function outcomeAt(assignments: readonly Assignment[], path: Path): Value | undefined {
  let outcome: Value | undefined
  for (const [assignedPath, value] of assignments)
    if (startsWith(path, assignedPath)) {
      outcome = value
      for (const key of path.slice(assignedPath.length)) outcome = outcome instanceof Map ? outcome.get(key) : undefined
    } else if (startsWith(assignedPath, path)) outcome = assign(outcome, assignedPath.slice(path.length), value)
  return outcome
}

function startsWith(path: Path, start: Path): boolean {
  return start.every((key, i) => path[i] === key)
}

function parse(content: RecordContent | undefined): Value | undefined {
  if (content === undefined) return undefined
  if (content.format === 'bytes') return Symbol.for(content.version)
  return toValue(JSON.parse(decodeUtf8(content.bytes)))
}

function toValue(json: unknown): Value {
  if (Array.isArray(json)) return json.map(toValue)
  if (typeof json !== 'object' || json === null) return json as Value
  return new Map(Object.entries(json).map(([key, child]) => [key, toValue(child)]))
}

/** The same text for the same value. */
function print(value: Value | undefined): string {
  if (value instanceof Map) {
    const sorted = [...value].sort(([a], [b]) => (a < b ? -1 : 1))
    return `{${sorted.map(([key, child]) => `${JSON.stringify(key)}:${print(child)}`).join(',')}}`
  }
  if (Array.isArray(value)) return `[${value.map(print).join(',')}]`
  return typeof value === 'symbol' ? String(value) : value === undefined ? 'nothing' : JSON.stringify(value)
}
