import type { DataNode } from '../commits/commit-graph.ts'
import { compareStamp } from '../commits/stamp.ts'
import { assert } from '../errors.ts'
import type { CommitId, RecordKey, RecordRef } from '../ids.ts'
import { recordKey } from '../ids.ts'
import type { ConflictEntry, StoredContent } from '../records.ts'
import type { Change } from './change-lists.ts'
import { commonValue } from './common-value.ts'
import { CommonPast } from './common-past.ts'
import { ConflictEntriesAt } from './conflict-entries-at.ts'
import { decodeConflictEntry } from './conflict-entry.ts'
import type { MergeContext } from './merge-context.ts'
import type { Side, SideChange } from './merge-side.ts'
import { mergeVersions } from './policies.ts'
import type { HistoricChange, RecordHistory } from './policy.ts'
import { walkHistory } from './record-history.ts'
import type { Ancestor } from './record-history.ts'
import { RulesAt } from './rules-at.ts'

export interface ResolvedRecord {
  readonly content: StoredContent | undefined
  readonly entry: ConflictEntry
}

/** A walk that was made for one record, and what it depended on below the two sides. */
interface RememberedWalk {
  readonly ancestors: readonly Ancestor[]
  readonly asked: readonly { readonly commit: DataNode; readonly changed: boolean }[]
}

/** A record that both sides changed, with what is known of it. */
interface Subject {
  readonly ref: RecordRef
  readonly key: RecordKey
  readonly ours: readonly SideChange[]
  readonly theirs: readonly SideChange[]
  /** In the order of their stamps. */
  readonly versions: readonly DataNode[]
  /** Each side had one version, so that its other changes are ancestors of that. */
  readonly single: boolean
}

/** Changes looked at between two breaths. */
const BREATH = 512

/** Gives value and conflict entry of records that were changed on both sides of a merge. */
export class RecordResolver {
  readonly #context: MergeContext
  readonly #ours: Side
  readonly #theirs: Side
  readonly #entriesOf: ReadonlyMap<Side, ConflictEntriesAt>
  readonly #rules: RulesAt
  readonly #past: CommonPast
  readonly #walks = new Map<string, RememberedWalk>()
  #steps = 0

  constructor(
    context: MergeContext,
    sides: { readonly ours: Side; readonly theirs: Side; readonly common: readonly DataNode[] },
  ) {
    this.#context = context
    this.#ours = sides.ours
    this.#theirs = sides.theirs
    this.#entriesOf = new Map(
      [sides.ours, sides.theirs].map(side => [side, new ConflictEntriesAt(context.store, side.state)]),
    )
    this.#rules = new RulesAt(context.store)
    this.#past = new CommonPast(context.graph, sides.common, [sides.ours.commits, sides.theirs.commits])
  }

  /** The changes are those of each side, one or more, the latest first. */
  async resolve(ref: RecordRef, ours: readonly SideChange[], theirs: readonly SideChange[]): Promise<ResolvedRecord> {
    const { store } = this.#context
    const subject = await this.#subject(ref, ours, theirs)
    const versions = await Promise.all(
      subject.versions.map(async commit => {
        const { after } = await this.#changeBy(subject, commit)
        return { commit: commit.id, stamp: commit.stamp, content: after }
      }),
    )
    const input = {
      ref,
      versions,
      history: () => this.#history(subject),
      commonValue: () =>
        commonValue(
          this.#context,
          ref,
          subject.versions.map(({ id }) => id),
        ),
      read: async (content: StoredContent) => {
        await this.#step()
        return content.bytes ?? store.readBlob(content.version)
      },
      versionOf: (bytes: Uint8Array) => store.blobId(bytes),
      breathe: this.#context.breathe,
    }
    // What was decided once stays so: the rules are those that the latest version was written under.
    const { tree } = subject.versions.at(-1)!
    const { content, contested, reason } = await mergeVersions(input, {
      settings: await this.#rules.settings(tree, ref.kind, ref.collection),
      script: name => this.#rules.script(tree, name),
      runner: this.#context.rules,
    })
    const why = reason === undefined ? {} : { reason }
    return { content, entry: { contested, ...why, versions: versions.map(version => version.commit).sort() } }
  }

  async #subject(ref: RecordRef, ours: readonly SideChange[], theirs: readonly SideChange[]): Promise<Subject> {
    const ourVersions = await this.#versionsAt(this.#ours, ref, ours)
    const theirVersions = await this.#versionsAt(this.#theirs, ref, theirs)
    // A version that both sides know must be one on both, else the other side has superseded it.
    const ids = new Set<CommitId>()
    for (const id of ourVersions) if (this.#ours.commits.has(id) || theirVersions.has(id)) ids.add(id)
    for (const id of theirVersions) if (this.#theirs.commits.has(id) || ourVersions.has(id)) ids.add(id)
    const versions = await Promise.all([...ids].map(id => this.#context.graph.dataNode(id)))
    versions.sort((a, b) => compareStamp(a.stamp, b.stamp))
    assert(versions.length >= 2, 'changes that did not see each other are concurrent')
    return {
      ref,
      key: recordKey(ref),
      ours,
      theirs,
      versions,
      single: ourVersions.size === 1 && theirVersions.size === 1,
    }
  }

  /** The versions of a record in one side's state: its conflict entry lists them, else its latest change is the only one. */
  async #versionsAt(side: Side, ref: RecordRef, changes: readonly SideChange[]): Promise<ReadonlySet<CommitId>> {
    const { store } = this.#context
    const stored = await this.#entriesOf.get(side)!.of(ref)
    if (stored === undefined) return new Set([changes[0]!.commit.id])
    return new Set(decodeConflictEntry(stored.bytes ?? (await store.readBlob(stored.version))).versions)
  }

  /** One record can have a very long history of its own. */
  async #step(): Promise<void> {
    if (++this.#steps % BREATH === 0) await this.#context.breathe?.()
  }

  async #changeBy(subject: Subject, commit: DataNode): Promise<Change> {
    await this.#step()
    const change = (await this.#context.changes.of(commit)).get(subject.key)
    assert(change !== undefined, 'a version of a record is a change to it')
    return change
  }

  async #history(subject: Subject): Promise<RecordHistory> {
    const ancestors = (await this.#plainHistory(subject)) ?? (await this.#walkedHistory(subject))
    const changes: HistoricChange[] = []
    for (const { commit, heirs } of ancestors) {
      const { before, after } = await this.#changeBy(subject, commit)
      changes.push({ stamp: commit.stamp, before, after, heirs })
    }
    // The earliest change descends from all below the cut and from none above it: that is the state its writer saw.
    return { base: changes[0]!.before, changes }
  }

  /** Most often all changes of both sides have seen all of the common past, and each side is a chain: no walk is needed. */
  async #plainHistory(subject: Subject): Promise<Ancestor[] | undefined> {
    if (!subject.single) return undefined
    const ancestors: Ancestor[] = []
    for (const changes of [subject.ours, subject.theirs]) {
      const version = subject.versions.findIndex(({ id }) => id === changes[0]!.commit.id)
      for (const { commit } of changes) {
        if (!(await this.#past.isSeenBy(commit))) return undefined
        ancestors.push({ commit, heirs: 1n << BigInt(version) })
      }
    }
    return ancestors.sort((a, b) => compareStamp(a.commit.stamp, b.commit.stamp))
  }

  /** Records that were changed by the same commits mostly share one walk. */
  async #walkedHistory(subject: Subject): Promise<readonly Ancestor[]> {
    const { graph } = this.#context
    const changedHere = new Set([...subject.ours, ...subject.theirs].map(({ commit }) => commit.id))
    const walkKey = [...changedHere, '', ...subject.versions.map(({ id }) => id)].join(' ')
    const remembered = this.#walks.get(walkKey)
    if (remembered !== undefined && (await this.#answersAlike(subject, remembered))) return remembered.ancestors

    const asked: { commit: DataNode; changed: boolean }[] = []
    const ancestors = await walkHistory(graph, subject.versions, async commit => {
      if (this.#ours.commits.has(commit.id) || this.#theirs.commits.has(commit.id)) return changedHere.has(commit.id)
      const changed = await this.#changedBelow(subject, commit)
      asked.push({ commit, changed })
      return changed
    })
    this.#walks.set(walkKey, { ancestors, asked })
    return ancestors
  }

  async #answersAlike(subject: Subject, walk: RememberedWalk): Promise<boolean> {
    for (const { commit, changed } of walk.asked)
      if ((await this.#changedBelow(subject, commit)) !== changed) return false
    return true
  }

  async #changedBelow(subject: Subject, commit: DataNode): Promise<boolean> {
    await this.#step()
    return (await this.#context.changes.of(commit)).has(subject.key)
  }
}
