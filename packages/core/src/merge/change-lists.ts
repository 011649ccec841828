import { BoundedCache } from '../commits/bounded-cache.ts'
import type { CommitGraph, DataNode } from '../commits/commit-graph.ts'
import type { ObjectReader } from '../contracts/object-store.ts'
import type { CommitId, ObjectId, RecordKey, RecordRef } from '../ids.ts'
import { recordKey } from '../ids.ts'
import { diffStates, lookupRecord } from '../layout/index.ts'
import { conflictSubject } from '../records.ts'
import type { StoredContent } from '../records.ts'

/** What one commit did to one record. Where it only settled a conflict, by writing what was there, both contents are equal. */
export interface Change {
  readonly ref: RecordRef
  readonly before: StoredContent | undefined
  /** Undefined: it deleted the record. */
  readonly after: StoredContent | undefined
}

/** The changes of one commit: the records whose value or conflict entry differs from the parent's. */
export type ChangeList = ReadonlyMap<RecordKey, Change>

const CACHED_CHANGES = 250_000
/** Lines of Lists carry their bytes: so many weigh as much as a change without. */
const BYTES_PER_CHANGE = 512

/** The change lists of commits, computed from their trees when asked for, and kept in a cache bounded by their sizes. */
export class ChangeLists {
  readonly #graph: CommitGraph
  readonly #reader: ObjectReader
  readonly #lists: BoundedCache<CommitId, ChangeList>

  constructor(graph: CommitGraph, reader: ObjectReader, options: { readonly cachedChanges?: number } = {}) {
    this.#graph = graph
    this.#reader = reader
    this.#lists = new BoundedCache(options.cachedChanges ?? CACHED_CHANGES, weightOf)
  }

  /** The changes of a data commit, or of the root. @throws what the store throws */
  async of(commit: DataNode): Promise<ChangeList> {
    const known = this.#lists.get(commit.id)
    if (known !== undefined) return known
    const [parent] = commit.parents
    const before = parent === undefined ? undefined : (await this.#graph.node(parent)).tree
    const changes = await this.#compute(before, commit.tree)
    this.#lists.set(commit.id, changes)
    return changes
  }

  async #compute(before: ObjectId | undefined, after: ObjectId): Promise<ChangeList> {
    const changes = new Map<RecordKey, Change>()
    const settled: RecordRef[] = []
    for await (const differences of diffStates(this.#reader, before, after))
      for (const difference of differences) {
        const subject = conflictSubject(difference)
        if (subject !== undefined) settled.push(subject)
        else {
          const { kind, collection, id } = difference
          const ref = { kind, collection, id }
          changes.set(recordKey(ref), { ref, before: difference.before, after: difference.after })
        }
      }
    for (const ref of settled) {
      const key = recordKey(ref)
      if (changes.has(key)) continue
      const content = await lookupRecord(this.#reader, after, ref)
      changes.set(key, { ref, before: content, after: content })
    }
    return changes
  }
}

function weightOf(changes: ChangeList): number {
  let weight = 1
  for (const { before, after } of changes.values())
    weight += 1 + ((before?.bytes?.length ?? 0) + (after?.bytes?.length ?? 0)) / BYTES_PER_CHANGE
  return weight
}
