import { addOutcome, outcomesClash } from './assignments.ts'
import type { Assignment, Outcomes } from './assignments.ts'
import type { WorkSlices } from './work-slices.ts'

/** A put, as what it assigned. */
export interface Assigned {
  readonly assignments: readonly Assignment[]
  /** The versions that are this put or descend from it, as in `HistoricChange`. */
  readonly heirs: bigint
}

/** What some puts left, and how many assignments these were. */
interface Folded {
  readonly outcomes: Outcomes
  readonly size: number
}

/** Folded outcomes are kept for other pairs of versions while they hold no more assignments than this together. */
const MAX_KEPT_ASSIGNMENTS = 1_000_000

/**
 * Did two versions' histories, each without what the other saw too, leave an equal or nested path differently? The puts are
 * in the order of their stamps.
 */
export async function versionsClash(versions: number, puts: readonly Assigned[], slices: WorkSlices): Promise<boolean> {
  const unshared = new UnsharedOutcomes(versions, puts, slices)
  for (let v = 1; v < versions; v++)
    for (let w = 0; w < v; w++) {
      const a = await unshared.of(v, w)
      const b = await unshared.of(w, v)
      if (outcomesClash(a.outcomes, b.outcomes)) return true
      if (slices.isOver(1 + Math.min(a.size, b.size))) await slices.breathe()
    }
  return false
}

/**
 * What one version saw and another did not. There are many pairs of versions, but few sets of versions that saw the same puts:
 * those puts are taken together, and most often what a version alone saw is the same beside every other.
 */
class UnsharedOutcomes {
  readonly #puts: readonly Assigned[]
  /** Of each set of versions, the places of the puts that they and no others saw. */
  readonly #groups: readonly (readonly number[])[]
  /** Of each version, the groups that it saw; and the same as flags by group. */
  readonly #seen: readonly (readonly number[])[]
  readonly #hasSeen: readonly Uint8Array[]
  readonly #slices: WorkSlices
  readonly #kept = new Map<string, Folded>()
  #keptAssignments = 0

  constructor(versions: number, puts: readonly Assigned[], slices: WorkSlices) {
    const groupByHeirs = new Map<bigint, number[]>()
    for (const [place, { heirs, assignments }] of puts.entries()) {
      if (assignments.length === 0) continue
      const group = groupByHeirs.get(heirs)
      if (group === undefined) groupByHeirs.set(heirs, [place])
      else group.push(place)
    }
    const sets = [...groupByHeirs.keys()]
    this.#puts = puts
    this.#groups = [...groupByHeirs.values()]
    this.#hasSeen = Array.from({ length: versions }, (_, version) =>
      Uint8Array.from(sets, heirs => Number((heirs >> BigInt(version)) & 1n)),
    )
    this.#seen = this.#hasSeen.map(flags => [...flags.keys()].filter(group => flags[group] === 1))
    this.#slices = slices
  }

  async of(seenBy: number, unseenBy: number): Promise<Folded> {
    const seen = this.#seen[seenBy]!
    const hasSeen = this.#hasSeen[unseenBy]!
    const groups = seen.filter(group => hasSeen[group] === 0)
    if (this.#slices.isOver(seen.length)) await this.#slices.breathe()
    const key = groups.join(' ')
    const kept = this.#kept.get(key)
    if (kept !== undefined) return kept
    const folded = await this.#fold(groups)
    this.#keep(key, folded)
    return folded
  }

  async #fold(groups: readonly number[]): Promise<Folded> {
    // Groups can be mixed in time, and the last one to assign a path decides.
    const places = groups.flatMap(group => this.#groups[group]!).sort((a, b) => a - b)
    const own = new Set<object>()
    let outcomes: Outcomes
    let size = 0
    for (const place of places)
      for (const assignment of this.#puts[place]!.assignments) {
        outcomes = addOutcome(outcomes, assignment, own)
        size++
        if (this.#slices.isOver(1 + assignment.path.length)) await this.#slices.breathe()
      }
    return { outcomes, size }
  }

  #keep(key: string, folded: Folded): void {
    if (this.#keptAssignments + folded.size > MAX_KEPT_ASSIGNMENTS) {
      this.#kept.clear()
      this.#keptAssignments = 0
    }
    this.#kept.set(key, folded)
    this.#keptAssignments += folded.size
  }
}
