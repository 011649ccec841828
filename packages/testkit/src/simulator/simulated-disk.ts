import type { Clock, CommitId, ObjectId, RecordContent, RecordRef } from '@atolldb/core'
import { hashObject } from '@atolldb/git'
import { LayeredObjects } from './layered-objects.ts'
import type { SeededRandom } from './seeded-random.ts'

/** One record's change, as the journal of a node has it; no content: a delete. */
export interface SimulatedChange extends RecordRef {
  readonly content: (Omit<RecordContent, 'version'> & { version?: ObjectId }) | undefined
}

export function storedContent({ content }: SimulatedChange): RecordContent | undefined {
  return content && { ...content, version: content.version ?? hashObject('blob', content.bytes) }
}

/** One indivisible write. */
export interface SimulatedEntry {
  readonly sequence: number
  /** The `main` that its writer saw. */
  readonly main: CommitId | undefined
  readonly clock: Clock
  readonly changes: readonly SimulatedChange[]
}

export type JournalFrame =
  | { readonly type: 'entry'; readonly entry: SimulatedEntry }
  /** Everything up to that entry is in a commit. */
  | { readonly type: 'sealed'; readonly sequence: number }

/**
 * The disk of one node. What is written can be read at once, and is durable only after a sync that began later. When the
 * power goes, each pack and ref that was not synced is there or not, and the journal ends somewhere in what was not.
 */
export class SimulatedDisk {
  /** What can be read now. */
  readonly objects = new LayeredObjects()
  /** Its process has been started so often. */
  starts = 0
  #frames: JournalFrame[] = []
  #durableFrames = 0
  /** Packs that were not synced, the oldest first. */
  #loosePacks: (readonly ObjectId[])[] = []
  #main: CommitId | undefined
  #durableMain: CommitId | undefined

  get frames(): readonly JournalFrame[] {
    return this.#frames
  }

  get main(): CommitId | undefined {
    return this.#main
  }

  /** What `main` is after the worst that can happen now. */
  get durableMain(): CommitId | undefined {
    return this.#durableMain
  }

  /** Is it there, up to so many frames, whatever happens? */
  isJournalDurable(frames: number): boolean {
    return this.#durableFrames >= frames
  }

  append(frame: JournalFrame): void {
    this.#frames.push(frame)
  }

  /** The objects of a layer become one pack. */
  writePack(layer: LayeredObjects): void {
    const ids: ObjectId[] = []
    for (const object of layer.own()) {
      if (this.objects.hasNow(object.id)) continue
      this.objects.put(object)
      ids.push(object.id)
    }
    if (ids.length > 0) this.#loosePacks.push(ids)
  }

  moveMain(main: CommitId): void {
    this.#main = main
  }

  /** Call it when the sync begins, and what it returns when it is over. */
  beginJournalSync(): () => void {
    const written = this.#frames.length
    return () => (this.#durableFrames = Math.max(this.#durableFrames, written))
  }

  beginPackSync(): () => void {
    const packs = new Set(this.#loosePacks)
    return () => (this.#loosePacks = this.#loosePacks.filter(pack => !packs.has(pack)))
  }

  beginMainSync(): () => void {
    const main = this.#main
    return () => (this.#durableMain = main)
  }

  /** The process ends; with the power gone, what was not synced is there in part. */
  stop(random: SeededRandom, isPowerLost: boolean): void {
    if (isPowerLost) {
      const kept = this.#durableFrames + random.below(this.#frames.length - this.#durableFrames + 1)
      this.#frames.length = kept
      for (const pack of this.#loosePacks) if (random.chance(0.5)) for (const id of pack) this.objects.delete(id)
      if (random.chance(0.5)) this.#main = this.#durableMain
    }
    this.#durableFrames = this.#frames.length
    this.#loosePacks = []
    this.#durableMain = this.#main
  }
}
