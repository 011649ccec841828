import type { CommitGraph, DataNode } from '../commits/commit-graph.ts'
import { StampQueue } from '../commits/stamp-queue.ts'
import type { Stamp } from '../commits/stamp.ts'
import type { CommitId } from '../ids.ts'
import { Tangle } from './tangle.ts'

/** A commit that changed a record, with the versions that are it or descend from it (bit `i`: `versions[i]`). */
export interface Ancestor {
  readonly commit: DataNode
  readonly heirs: bigint
}

/** A commit on the way. */
interface Walked {
  readonly commit: DataNode
  readonly stamp: Stamp
  /** As in `Ancestor`. */
  heirs: bigint
  /** The changes that have seen it: see `Tangle`. */
  mask: bigint
}

/**
 * Collects the changes to one record that led to its versions, from the versions down, the latest first, until whatever is
 * below has been seen by all of them. `changed` says whether a commit changed the record. Gives the changes after the last
 * point that all later ones have seen, in the order of their stamps.
 *
 * The root commit is an ancestor of everything, so the walk ends. Costs what is walked, times the number of histories that
 * run beside each other.
 */
export async function walkHistory(
  graph: CommitGraph,
  versions: readonly DataNode[],
  changed: (commit: DataNode) => boolean | Promise<boolean>,
): Promise<Ancestor[]> {
  const collected: Ancestor[] = []
  const tangle = new Tangle()
  const walk = new Walk(tangle)
  for (const [i, version] of versions.entries()) walk.reach(version, 1n << BigInt(i), 0n)
  while (tangle.size === 0 || walk.open > 0) {
    const { commit, heirs, mask } = walk.next()
    let below = mask
    if (await changed(commit)) {
      collected.push({ commit, heirs })
      below = walk.meet(mask)
    }
    for (const id of commit.seen) walk.reach(await graph.dataNode(id), heirs, below)
  }
  return collected.slice(0, tangle.size).reverse()
}

/** The commits still to be walked. */
class Walk {
  readonly #tangle: Tangle
  readonly #queue = new StampQueue<Walked>()
  readonly #queued = new Map<CommitId, Walked>()
  #open = 0

  constructor(tangle: Tangle) {
    this.#tangle = tangle
  }

  /** How many of them some change of the tangle has not seen. */
  get open(): number {
    return this.#open
  }

  reach(commit: DataNode, heirs: bigint, mask: bigint): void {
    let walked = this.#queued.get(commit.id)
    if (walked === undefined) {
      walked = { commit, stamp: commit.stamp, heirs: 0n, mask: 0n }
      this.#queued.set(commit.id, walked)
      this.#queue.push(walked)
    } else this.#open -= this.#isOpen(walked)
    walked.heirs |= heirs
    walked.mask |= mask
    this.#open += this.#isOpen(walked)
  }

  next(): Walked {
    // All descendants of the latest one left were walked before it: what is known of it is all.
    const walked = this.#queue.pop()!
    this.#queued.delete(walked.commit.id)
    this.#open -= this.#isOpen(walked)
    return walked
  }

  /** Takes the change with this mask into the tangle; gives the mask of what that one has seen. */
  meet(mask: bigint): bigint {
    const { place, inUse, grown } = this.#tangle.meet(mask)
    for (const walked of this.#queue.values()) walked.mask &= inUse & ~place
    if (grown) this.#open = this.#queue.values().reduce((open, walked) => open + this.#isOpen(walked), 0)
    return (mask & inUse) | place
  }

  #isOpen({ mask }: Walked): 0 | 1 {
    return this.#tangle.hasSeen(mask) ? 0 : 1
  }
}
