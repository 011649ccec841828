/** What the choice is made by. */
export interface PackWeight {
  readonly objects: number
  /** At least so many commits; a pack of ours holds one or more. */
  readonly commits: number
}

/** So many packs that outweigh their elder are let come together before they are merged. */
export const PACKS_A_MERGE = 8
const PACKS_BESIDE_LOGARITHM = 12
// What is merged because there are too many packs leaves room for a few more.
const ROOM_AFTER_FORCED_MERGE = 4

/** The most packs that a repository of so many commits may have. */
export function packBound(commits: number): number {
  return PACKS_BESIDE_LOGARITHM + Math.floor(Math.log2(Math.max(1, commits)))
}

/**
 * Which packs to merge now, smallest first; none when all is well. Geometric: a pack is merged with all that are smaller once
 * these together outweigh it, so whatever is rewritten at least doubles the size of its pack, and n objects are
 * rewritten O(log n) times each. What is left forms a ladder in which each pack outweighs all below it. Where sizes
 * are such that the ladder has more rungs than the bound allows, the lowest are merged although they are not outweighed.
 */
export function chooseMerge<Pack extends PackWeight>(packs: readonly Pack[]): Pack[] {
  const sorted = packs.toSorted((a, b) => a.objects - b.objects)
  let outweighed = 0
  let sum = 0
  for (const [i, pack] of sorted.entries()) {
    if (i > 0 && sum >= pack.objects) outweighed = i + 1
    sum += pack.objects
  }
  const bound = packBound(packs.reduce((commits, pack) => commits + pack.commits, 0))
  if (packs.length <= bound) return outweighed >= PACKS_A_MERGE ? sorted.slice(0, outweighed) : []
  return sorted.slice(0, Math.max(outweighed, packs.length - bound + 1 + ROOM_AFTER_FORCED_MERGE))
}
