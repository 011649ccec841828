import { copyFile, link, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import {
  type CollectionKind,
  type CollectionName,
  compareUtf8,
  isAtollError,
  listCollections,
  type ObjectId,
  REBUILD_COMMAND,
  recordKey,
  type RecordRef,
  scanRecords,
  type StoredContent,
} from '@atolldb/core'
import { isNotFound, onFile, type Repository } from '@atolldb/git'
import { touchedChanges } from '../engine/view-recovery.ts'
import type { JournalChange } from '../journal/frame.ts'
import type { JournalContent } from '../journal/journal.ts'
import { breathe } from '../scheduling/breathe.ts'
import { type ViewContent, viewKey } from '../view/encoding.ts'
import { View } from '../view/view.ts'
import type { Finding, OnDoctorProgress } from './finding.ts'

export interface ViewCheck {
  readonly findings: readonly Finding[]
  /** How many were compared. */
  readonly records: number
}

/**
 * Compares the view record by record with the state that its mark names, with the journal's entries on top. Works on a copy,
 * since LevelDB writes when it is opened. A view that is behind is brought up when the node opens, and is no damage.
 *
 * @throws NOT_ACCESSIBLE, STORAGE_FULL (no room for the copy), STORAGE_FAILED
 */
export async function checkView(
  path: string,
  repository: Repository,
  journal: JournalContent,
  onProgress?: OnDoctorProgress,
): Promise<ViewCheck> {
  const check = await withViewCopy(path, async view => {
    const comparison = new Comparison(view, repository, onProgress)
    const problem = await comparison.run(journal)
    const findings =
      problem === undefined ? [] : [{ check: 'view' as const, file: path, reason: problem, repair: REBUILD_COMMAND }]
    return { findings, records: comparison.records }
  })
  // One that is not there is made when the node opens.
  return check ?? { findings: [], records: 0 }
}

/** Runs work with a copy of the view; undefined where there is none. One that is damaged is an empty one without a mark. */
export async function withViewCopy<Result>(
  path: string,
  work: (view: View) => Promise<Result>,
): Promise<Result | undefined> {
  const copy = await copyView(path)
  if (copy === undefined) return undefined
  try {
    const view = await View.open(copy, Infinity)
    try {
      return await work(view)
    } finally {
      await view.close()
    }
  } finally {
    await rm(copy, { recursive: true, force: true })
  }
}

/** Tables are never written to again, so a second name for them is a copy. */
async function copyView(path: string): Promise<string | undefined> {
  const names = await onFile(path, async () => {
    try {
      return await readdir(path)
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  })
  if (names === undefined || names.length === 0) return undefined
  const copy = await mkdtemp(join(tmpdir(), 'atoll-doctor-'))
  for (const name of names) {
    const [from, to] = [join(path, name), join(copy, name)]
    await onFile(from, () => (/\.(?:ldb|sst)$/.test(name) ? linkOrCopy(from, to) : copyFile(from, to)))
  }
  return copy
}

async function linkOrCopy(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
  } catch {
    // Another disk, or one that knows no links.
    await copyFile(from, to)
  }
}

class Comparison {
  records = 0
  #lost = 0
  #strange = 0
  #wrong = 0
  #example = ''
  readonly #view: View
  readonly #repository: Repository
  readonly #onProgress: OnDoctorProgress | undefined

  constructor(view: View, repository: Repository, onProgress: OnDoctorProgress | undefined) {
    this.#view = view
    this.#repository = repository
    this.#onProgress = onProgress
  }

  /** What is wrong with the view, if anything. */
  async run(journal: JournalContent): Promise<string | undefined> {
    const { mark } = this.#view
    if (mark === undefined) return 'LevelDB cannot read it, or it was never complete'
    const touched = touchedChanges(mark, journal)
    // Made anew when the node opens, or half-way from one state to another: then nobody knows what it should hold.
    if (touched === undefined || mark.next !== undefined) return undefined
    try {
      const tree = mark.main === undefined ? undefined : (await this.#repository.readCommit(mark.main)).tree
      await this.#compare(tree, new Map(touched.map(change => [recordKey(change), change])))
    } catch (error) {
      if (isAtollError(error, 'CORRUPT') && error.data.file === this.#view.path) return error.data.reason
      // What the repository lacks is found where that is checked.
      if (!isAtollError(error, 'MISSING') && !isAtollError(error, 'CORRUPT') && !isAtollError(error, 'REFUSED'))
        throw error
      return undefined
    }
    return this.#verdict()
  }

  #verdict(): string | undefined {
    const parts = [
      ...(this.#lost > 0 ? [`${this.#lost} records are not in it`] : []),
      ...(this.#wrong > 0 ? [`${this.#wrong} have another value`] : []),
      ...(this.#strange > 0 ? [`${this.#strange} should not be in it`] : []),
    ]
    return parts.length === 0 ? undefined : `${parts.join(', ')}: ${this.#example}`
  }

  async #compare(tree: ObjectId | undefined, touched: ReadonlyMap<string, JournalChange>): Promise<void> {
    const counts = this.#view.collections()
    const total = counts.reduce((sum, { records }) => sum + records, 0)
    const collections = new Map<string, { kind: CollectionKind; collection: CollectionName }>()
    for (const each of [...(await listCollections(this.#repository, tree)), ...counts])
      collections.set(`${each.kind}/${each.collection}`, each)
    for (const { kind, collection } of collections.values()) {
      await this.#compareCollection(tree, kind, collection, touched, total)
    }
    for (const change of touched.values()) {
      const { content } = change
      const expected = content && { format: content.format, version: this.#repository.blobId(content.bytes) }
      this.#compareRecord(change, expected, this.#view.get(viewKey(change)))
    }
  }

  /** Both are in the order of the bytes of ids. */
  async #compareCollection(
    tree: ObjectId | undefined,
    kind: CollectionKind,
    collection: CollectionName,
    touched: ReadonlyMap<string, JournalChange>,
    total: number,
  ): Promise<void> {
    const isTouched = (ref: RecordRef): boolean => touched.has(recordKey(ref))
    const found = this.#view.range(kind, collection, {})[Symbol.asyncIterator]()
    let stored = 0
    const take = async (): Promise<[string, ViewContent] | undefined> => {
      const next = await found.next()
      if (next.done === true) return undefined
      stored++
      return next.value
    }
    try {
      let at = await take()
      const passUntil = async (id: string | undefined): Promise<void> => {
        const isBefore = (other: string): boolean => id === undefined || compareUtf8(other, id) < 0
        while (at !== undefined && isBefore(at[0])) {
          const ref = { kind, collection, id: at[0] } as RecordRef
          if (!isTouched(ref)) this.#compareRecord(ref, undefined, at[1])
          at = await take()
        }
      }
      for await (const batch of scanRecords(this.#repository, tree, kind, collection)) {
        for (const { id, content } of batch) {
          await passUntil(id)
          const ref = { kind, collection, id }
          const here = at?.[0] === id ? at[1] : undefined
          if (here !== undefined) at = await take()
          if (!isTouched(ref)) this.#compareRecord(ref, content, here)
        }
        this.#onProgress?.({ check: 'view', done: this.records, total: Math.max(total, this.records) })
        await breathe()
      }
      await passUntil(undefined)
    } finally {
      await found.return?.(undefined)
    }
    if (stored !== this.#view.count(kind, collection)) {
      this.#wrong++
      this.#example = `the count of ${kind}/${collection}`
    }
  }

  #compareRecord(ref: RecordRef, expected: StoredContent | undefined, found: ViewContent | undefined): void {
    this.records++
    if (expected === undefined && found === undefined) return
    if (found === undefined) this.#lost++
    else if (expected === undefined) this.#strange++
    else if (found.format !== expected.format || this.#repository.blobId(found.bytes) !== expected.version)
      this.#wrong++
    else return
    this.#example = JSON.stringify(`${ref.kind}/${ref.collection}/${ref.id}`)
  }
}
