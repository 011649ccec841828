import {
  type ChangeLists,
  type CommitGraph,
  type CommitId,
  commonValue,
  compareStamp,
  conflictEntryRef,
  conflictSubject,
  type ConflictEntry,
  decodeConflictEntry,
  lookupRecord,
  type ObjectId,
  type RecordRef,
  type StoredContent,
} from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { Conflict, ConflictsOptions, ConflictVersion } from '../api/conflicts.ts'
import { contentToValue, contentVersion } from '../engine/content.ts'
import { readNamed } from '../engine/named-objects.ts'
import type { RecordStore } from '../engine/record-store.ts'
import { breathe } from '../scheduling/breathe.ts'
import type { ViewContent } from '../view/encoding.ts'

export interface ConflictReaderParts {
  readonly store: RecordStore
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly changes: ChangeLists
}

/** A conflict entry and the record beside it, read in one turn of the loop. */
export interface FoundConflict {
  readonly ref: RecordRef
  readonly entry: ConflictEntry
  /** The entry's. */
  readonly version: ObjectId
  readonly chosen: ViewContent | undefined
}

/** One of the versions, with its value where it is not a delete. */
export interface FoundVersion {
  readonly commit: CommitId
  readonly author: ConflictVersion['author']
  readonly timeMs: number
  readonly content: ViewContent | undefined
}

/** Reads conflicts: the entries from the view, and what each version wrote from the repository, which has all of them. */
export class ConflictReader {
  readonly #parts: ConflictReaderParts

  constructor(parts: ConflictReaderParts) {
    this.#parts = parts
  }

  /** The conflict of a record as it is now. */
  find(ref: RecordRef): Promise<FoundConflict | undefined> {
    const { store } = this.#parts
    return store.readSafely(() => {
      const entryRef = store.conflictEntry(ref)
      const content = entryRef && store.read(entryRef)
      if (content === undefined) return undefined
      const entry = decodeConflictEntry(content.bytes)
      return { ref, entry, version: contentVersion(content), chosen: store.read(ref) }
    })
  }

  /** Records in conflict, by collection and id; whether they still are is for `find` to say. */
  async *subjects({ collection, kind }: ConflictsOptions): AsyncGenerator<RecordRef, void, void> {
    const { store } = this.#parts
    const inOrder = (await store.collections()).toSorted((a, b) => (a.collection < b.collection ? -1 : 1))
    for (const entries of inOrder) {
      const subject = conflictSubject({ ...entries, id: '' as RecordRef['id'] })
      if (subject === undefined) continue
      if (collection !== undefined && subject.collection !== collection) continue
      if (kind !== undefined && subject.kind !== kind) continue
      for await (const [id] of store.range(entries.kind, entries.collection, {}))
        yield { kind: subject.kind, collection: subject.collection, id: id as RecordRef['id'] }
    }
  }

  /** The versions, the earliest first. */
  versions(found: FoundConflict): Promise<FoundVersion[]> {
    return readNamed(this.#parts.repository, () => this.#readVersions(found))
  }

  async #readVersions({ ref, entry }: FoundConflict): Promise<FoundVersion[]> {
    const { repository, graph } = this.#parts
    const commits = await Promise.all(entry.versions.map(id => graph.dataNode(id)))
    commits.sort((a, b) => compareStamp(a.stamp, b.stamp))
    return Promise.all(
      commits.map(async ({ id, stamp, tree }) => ({
        commit: id,
        author: { name: (await repository.readCommit(id)).author.name, node: stamp.node },
        timeMs: stamp.clock.ms,
        content: await this.#load(await lookupRecord(repository, tree, ref)),
      })),
    )
  }

  describe(found: FoundConflict): Promise<Conflict> {
    return readNamed(this.#parts.repository, () => this.#describe(found))
  }

  async #describe(found: FoundConflict): Promise<Conflict> {
    const { graph, changes, repository } = this.#parts
    const { ref, entry, version, chosen } = found
    const base = await commonValue({ store: repository, graph, changes, breathe }, ref, entry.versions)
    const versions = await this.#readVersions(found)
    return {
      kind: ref.kind,
      collection: ref.collection,
      id: ref.id,
      version,
      contested: entry.contested,
      ...(entry.reason === undefined ? {} : { reason: entry.reason }),
      base: toValue(await this.#load(base)),
      versions: versions.map(({ commit, author, timeMs, content }) => ({
        commit,
        author,
        time: new Date(timeMs),
        op: content === undefined ? 'delete' : 'put',
        value: toValue(content),
        version: content && contentVersion(content),
      })),
      chosen: toValue(chosen),
    }
  }

  async #load(content: StoredContent | undefined): Promise<ViewContent | undefined> {
    if (content === undefined) return undefined
    const { format, version } = content
    return { format, version, bytes: content.bytes ?? (await this.#parts.repository.readBlob(version)) }
  }
}

function toValue(content: ViewContent | undefined): unknown {
  return content === undefined ? undefined : contentToValue(content)
}

/** Where the entry of a record's conflict is, and whether it is still the one that was found. */
export function isUnchanged(store: RecordStore, { ref, version }: FoundConflict): boolean {
  const content = store.read(conflictEntryRef(ref))
  return content !== undefined && contentVersion(content) === version
}
