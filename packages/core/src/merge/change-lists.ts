import { BoundedCache } from '../commits/bounded-cache.ts'
import type { CommitGraph, DataNode } from '../commits/commit-graph.ts'
import type { ObjectReader } from '../contracts/object-store.ts'
import type { CommitId, ObjectId, RecordKey, RecordRef } from '../ids.ts'
import { recordKey } from '../ids.ts'
import { diffStates, lookupRecord } from '../layout/index.ts'
import { conflictSubject } from '../records.ts'
import type { RecordDifference, StoredContent } from '../records.ts'

/** What one commit did to one record. Where it only settled a conflict, by writing what was there, both contents are equal. */
export interface Change {
  readonly ref: RecordRef
  readonly before: StoredContent | undefined
  /** Undefined: it deleted the record. */
  readonly after: StoredContent | undefined
}

/** The changes of one commit: the records whose value or conflict entry differs from the parent's. */
export type ChangeList = ReadonlyMap<RecordKey, Change>

/** Keeps change lists, so that they need not be read out of trees again. */
export interface KeptChangeLists {
  /** Undefined: it has none of that commit. */
  read(commit: CommitId): Promise<ChangeList | undefined>
}

export interface ChangeListsOptions {
  readonly cachedChanges?: number
  readonly kept?: KeptChangeLists
}

const CACHED_CHANGES = 250_000
/** Lines of Lists carry their bytes: so many weigh as much as a change without. */
const BYTES_PER_CHANGE = 512

/** The change lists of commits, computed from their trees when asked for, and kept in a cache bounded by their sizes. */
export class ChangeLists {
  readonly #graph: CommitGraph
  readonly #reader: ObjectReader
  readonly #kept: KeptChangeLists | undefined
  readonly #lists: BoundedCache<CommitId, ChangeList>

  constructor(graph: CommitGraph, reader: ObjectReader, options: ChangeListsOptions = {}) {
    this.#graph = graph
    this.#reader = reader
    this.#kept = options.kept
    this.#lists = new BoundedCache(options.cachedChanges ?? CACHED_CHANGES, weightOf)
  }

  /** The changes of a data commit, or of the root. @throws what the store throws */
  async of(commit: DataNode): Promise<ChangeList> {
    const known = this.#lists.get(commit.id)
    if (known !== undefined) return known
    const changes = (await this.#kept?.read(commit.id)) ?? (await this.#compute(commit))
    this.#lists.set(commit.id, changes)
    return changes
  }

  async #compute({ parents: [parent], tree }: DataNode): Promise<ChangeList> {
    const before = parent === undefined ? undefined : (await this.#graph.node(parent)).tree
    const collector = new ChangeCollector()
    for await (const differences of diffStates(this.#reader, before, tree))
      for (const difference of differences) collector.add(difference)
    return collector.finish(this.#reader, tree)
  }
}

/** Makes a change list of what differs between a commit and its parent. */
export class ChangeCollector {
  readonly #changes = new Map<RecordKey, Change>()
  readonly #settled: RecordRef[] = []

  add(difference: RecordDifference): void {
    const subject = conflictSubject(difference)
    if (subject !== undefined) {
      this.#settled.push(subject)
      return
    }
    const { kind, collection, id, before, after } = difference
    const ref = { kind, collection, id }
    this.#changes.set(recordKey(ref), { ref, before, after })
  }

  /** `tree`: the commit's. */
  async finish(reader: ObjectReader, tree: ObjectId): Promise<ChangeList> {
    for (const ref of this.#settled) {
      const key = recordKey(ref)
      if (this.#changes.has(key)) continue
      const content = await lookupRecord(reader, tree, ref)
      this.#changes.set(key, { ref, before: content, after: content })
    }
    return this.#changes
  }
}

function weightOf(changes: ChangeList): number {
  let weight = 1
  for (const { before, after } of changes.values())
    weight += 1 + ((before?.bytes?.length ?? 0) + (after?.bytes?.length ?? 0)) / BYTES_PER_CHANGE
  return weight
}
