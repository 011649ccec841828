import { stat } from 'node:fs/promises'
import { corrupt, isAtollError } from '@atolldb/core'
import { chooseMerge, packBound } from '../compaction/merge-choice.ts'
import { discardMerged, mergePacks, type MergedPack, type OnMergeProgress } from '../compaction/merge-packs.ts'
import { mergePacksInThread } from '../compaction/merge-thread.ts'
import { Pace } from '../compaction/pace.ts'
import { checkPack } from '../damage/check-pack.ts'
import type { FileDamage } from '../damage/file-damage.ts'
import { isNotFound, translateSystemError } from '../files/system-errors.ts'
import { MalformedObject } from '../objects/malformed-object.ts'
import type { PackFile } from '../packs/pack-file.ts'
import { installPack, TEMPORARY_PREFIX } from './install-pack.ts'
import { translateDamage, type PackDirectory } from './pack-directory.ts'

/** What compaction did. */
export interface CompactionSummary {
  readonly packsBefore: number
  readonly packsAfter: number
  /** Objects that were put together; 0 when there was nothing to do. */
  readonly objects: number
  /** Of the packs that were put together. */
  readonly bytesBefore: number
  /** Of the pack that took their place. */
  readonly bytesAfter: number
}

export interface CompactionOptions {
  /** All packs into one; else those that geometry asks for. */
  readonly all?: boolean
  readonly signal?: AbortSignal
  readonly onProgress?: OnMergeProgress
}

/** What is merged holds some 80 bytes an object in memory: a pack of this many is complete, and left alone. */
const MOST_OBJECTS = 4_000_000

/** Keeps the number of packs small, one merge at a time. */
export class Compaction {
  readonly #packs: PackDirectory
  readonly #mergePacks: typeof mergePacks
  /** Of packs that were merged here; others hold at least one. */
  readonly #commitsByName = new Map<string, number>()
  /** Left out until the repository is opened again: else none could be merged any more. */
  readonly #damageByName = new Map<string, FileDamage>()
  #last: Promise<unknown> = Promise.resolve()

  /** @param inThread merge in a thread of its own, not in slices between the turns of this one */
  constructor(packs: PackDirectory, inThread: boolean) {
    this.#packs = packs
    this.#mergePacks = inThread ? mergePacksInThread : mergePacks
  }

  /** Would `run` find something to merge? Costs next to nothing. */
  get isDue(): boolean {
    return this.#choose(false).length > 0
  }

  /** Of the packs that a merge could not read. */
  get damages(): readonly FileDamage[] {
    return [...this.#damageByName.values()]
  }

  /** The most packs there should be. */
  get packBound(): number {
    return packBound(this.#packs.mergeable.reduce((sum, pack) => sum + this.#commitsOf(pack), 0))
  }

  /**
   * Puts packs together; see `Repository.compact`.
   *
   * @throws ABORTED, CORRUPT, STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
   */
  run(options: CompactionOptions): Promise<CompactionSummary> {
    const run = this.#last.then(() => this.#run(options))
    this.#last = run.catch(() => undefined)
    return run
  }

  async #run({ all = false, signal, onProgress }: CompactionOptions): Promise<CompactionSummary> {
    const pace = new Pace('compaction', signal)
    pace.check()
    await this.#packs.refresh()
    const packsBefore = this.#packs.packCount
    const sources = this.#choose(all)
    const nothing = { packsBefore, packsAfter: packsBefore, objects: 0, bytesBefore: 0, bytesAfter: 0 }
    if (sources.length === 0) return nothing
    const merged = await this.#merge(sources, pace, onProgress)
    if (merged === undefined) return { ...nothing, packsAfter: this.#packs.packCount }
    try {
      await installPack(this.#packs.path, merged.name, merged.temporary)
    } catch (error) {
      // It may be as large as all there is, and every further attempt would leave another.
      await discardMerged(merged)
      throw error
    }
    await this.#packs.replace(sources, merged.name)
    for (const pack of sources) this.#commitsByName.delete(this.#packs.nameOf(pack))
    this.#commitsByName.set(merged.name, Math.max(1, merged.commitCount))
    return {
      packsBefore,
      packsAfter: this.#packs.packCount,
      objects: merged.objectCount,
      bytesBefore: sources.reduce((sum, pack) => sum + pack.file.sizeBytes, 0),
      bytesAfter: merged.sizeBytes,
    }
  }

  /** Undefined when there is nothing to gain, or stock git was faster. */
  async #merge(
    sources: readonly PackFile[],
    pace: Pace,
    onProgress: OnMergeProgress | undefined,
  ): Promise<MergedPack | undefined> {
    try {
      const modified = new Date(Math.max(...(await Promise.all(sources.map(modifiedMs)))))
      const merged = await this.#mergePacks(sources, this.#packs.path, TEMPORARY_PREFIX, { pace, modified, onProgress })
      try {
        pace.check()
      } catch (error) {
        if (merged !== undefined) await discardMerged(merged)
        throw error
      }
      return merged
    } catch (error) {
      if (!isNotFound(error)) throw await this.#explain(error, sources, pace.signal)
      await this.#packs.refresh()
      return undefined
    }
  }

  /** What a failed merge is told as. Damage is in one of the packs: all of them are checked, and left out where it is. */
  async #explain(failure: unknown, sources: readonly PackFile[], signal: AbortSignal | undefined): Promise<unknown> {
    if (!isUnreadable(failure)) return translateDamage(failure, this.#packs.path)
    let first: FileDamage | undefined
    for (const pack of sources) {
      const name = this.#packs.nameOf(pack)
      const options = signal === undefined ? {} : { signal }
      const check = await checkPack(this.#packs.path, { name, hasPack: true, hasIndex: true }, options)
      // The last says most: which object, where there is one.
      const damage = check.damages.at(-1)
      if (damage === undefined) continue
      this.#damageByName.set(name, damage)
      first ??= damage
    }
    const { file, reason } = first ?? { file: this.#packs.path, reason: (failure as Error).message }
    return corrupt(file, reason, { cause: failure })
  }

  /** Oldest first. */
  #choose(all: boolean): PackFile[] {
    const packs = this.#packs.mergeable.filter(
      pack => pack.index.objectCount <= MOST_OBJECTS / 2 && !this.#damageByName.has(this.#packs.nameOf(pack)),
    )
    let objects = 0
    const weighed = packs.map(pack => ({ pack, objects: pack.index.objectCount, commits: this.#commitsOf(pack) }))
    const chosen = new Set(
      (all ? weighed.toSorted((a, b) => a.objects - b.objects) : chooseMerge(weighed))
        .filter(pack => (objects += pack.objects) <= MOST_OBJECTS)
        .map(({ pack }) => pack),
    )
    return packs.filter(pack => chosen.has(pack)).toReversed()
  }

  #commitsOf(pack: PackFile): number {
    return this.#commitsByName.get(this.#packs.nameOf(pack)) ?? 1
  }
}

/** Bytes are not what they were, or the disk does not give them. Failures to write come as an `AtollError`. */
function isUnreadable(failure: unknown): boolean {
  if (isAtollError(failure)) return false
  return failure instanceof MalformedObject || isAtollError(translateSystemError(failure, ''), 'STORAGE_FAILED')
}

async function modifiedMs({ file }: PackFile): Promise<number> {
  return (await stat(file.path)).mtimeMs
}
