/**
 * The latest changes of a walk that concurrency ties together: of the changes met so far, the latest first, the shortest run
 * from the first one on such that all of the run have seen every change met after it.
 *
 * Changes that a change has seen stand for it: only the minimal ones, those that have seen no other that was met, are kept
 * apart, of the run and of all that were met. Each has a place (a bit) in the masks of the commits still to be walked, which
 * say by which of them a commit was seen. Places that are given up are used again, so masks are as wide as histories run
 * beside each other, and not as long as these are.
 */
export class Tangle {
  #met = 0
  #size = 0
  /** Places of the minimal changes of the run. */
  #run = 0n
  /** Places of the minimal changes of all that were met. */
  #minimal = 0n

  /** How many changes the run has, from the first one that was met on. */
  get size(): number {
    return this.#size
  }

  /** Has the whole run seen a commit with this mask? Then it has seen whatever that one has seen, too. */
  hasSeen(mask: bigint): boolean {
    return (mask & this.#run) === this.#run
  }

  /**
   * Takes in the next change, the latest that is left, by its mask. Gives its place, and the places in use now: all others
   * are to be taken out of all masks before the place is put into one.
   */
  meet(mask: bigint): { readonly place: bigint; readonly inUse: bigint; readonly grown: boolean } {
    const grown = this.#size === 0 || !this.hasSeen(mask)
    const place = lowestFree(this.#run | this.#minimal)
    this.#met++
    this.#minimal = (this.#minimal & ~mask) | place
    // Whoever missed this one ties all that lies between to it.
    if (grown) {
      this.#size = this.#met
      this.#run = this.#minimal
    }
    return { place, inUse: this.#run | this.#minimal, grown }
  }
}

function lowestFree(used: bigint): bigint {
  return ~used & (used + 1n)
}
