import type { CommitGraph, DataNode } from '../commits/commit-graph.ts'
import { StampQueue } from '../commits/stamp-queue.ts'
import type { Stamp } from '../commits/stamp.ts'
import type { CommitId } from '../ids.ts'

/** A commit that changed a record, with the versions that are it or descend from it (bit `i`: `versions[i]`). */
export interface Ancestor {
  readonly commit: DataNode
  readonly heirs: bigint
}

/** A commit on the way, with those of the collected changes that descend from it (bit `i`: `collected[i]`). */
interface Walked {
  readonly commit: DataNode
  readonly stamp: Stamp
  descendants: bigint
}

/**
 * Collects the changes to one record that led to its versions, from the versions down, the latest first, until each commit
 * left is an ancestor of each change collected: whatever is below has been seen by all of them. `changed` says whether a
 * commit changed the record. Gives those after the last point that all have seen, in the order of their stamps.
 *
 * The root commit is an ancestor of everything, so the walk ends.
 */
export async function walkHistory(
  graph: CommitGraph,
  versions: readonly DataNode[],
  changed: (commit: DataNode) => boolean | Promise<boolean>,
): Promise<Ancestor[]> {
  const collected: Walked[] = []
  const queue = new StampQueue<Walked>()
  const queued = new Map<CommitId, Walked>()
  const enqueue = (commit: DataNode, descendants: bigint): void => {
    const walked = queued.get(commit.id)
    if (walked !== undefined) walked.descendants |= descendants
    else {
      const added = { commit, stamp: commit.stamp, descendants }
      queued.set(commit.id, added)
      queue.push(added)
    }
  }

  for (const version of versions) enqueue(version, 0n)
  let all = 0n
  while (queue.values().some(({ descendants }) => descendants !== all) || collected.length < versions.length) {
    const walked = queue.pop()!
    queued.delete(walked.commit.id)
    let { descendants } = walked
    if (await changed(walked.commit)) {
      const bit = 1n << BigInt(collected.length)
      collected.push(walked)
      descendants |= bit
      all |= bit
    }
    for (const id of walked.commit.seen) enqueue(await graph.dataNode(id), descendants)
  }
  return aboveCut(collected, all, versions)
}

/**
 * The walk may have gone further than it had to. The cut is the highest one below the versions: the longest run of earliest
 * changes that each later change descends from.
 */
function aboveCut(collected: readonly Walked[], all: bigint, versions: readonly DataNode[]): Ancestor[] {
  const count = collected.length
  let cut = 0
  // Of the changes before `below`, none is missing in the ancestry of a change at or after it.
  let below = 0
  for (let index = 0; index < count; index++) {
    const bit = count - 1 - index
    const others = all & ~collected[bit]!.descendants & ~(1n << BigInt(bit))
    // The latest change that does not descend from this one; all bits of the earlier ones are higher.
    const latest = others === 0n ? index : Math.max(index, count - 1 - lowestBit(others))
    below = Math.max(below, latest + 1)
    if (below === index + 1 && below < count) cut = below
  }
  const bitByVersion = versions.map(version => BigInt(collected.findIndex(({ commit }) => commit.id === version.id)))
  return collected
    .slice(0, count - cut)
    .map(({ commit, descendants }, bit) => {
      const own = descendants | (1n << BigInt(bit))
      let heirs = 0n
      for (const [i, versionBit] of bitByVersion.entries()) if ((own >> versionBit) & 1n) heirs |= 1n << BigInt(i)
      return { commit, heirs }
    })
    .reverse()
}

function lowestBit(bits: bigint): number {
  return (bits & -bits).toString(2).length - 1
}
