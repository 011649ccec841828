import { BlockIndex, encodeDelta } from './delta-encoder.ts'
import type { ObjectContents } from './object-contents.ts'
import { objectTypes, type ObjectTable } from './object-table.ts'

/** As git makes them by default. */
export const MAX_CHAIN = 50
/** Where a chain would become longer, it branches off at this depth instead of beginning anew. */
const BRANCH_DEPTH = 20
const WINDOW_OBJECTS = 10
/** Larger objects are compared with their predecessors only. */
const LARGEST_IN_WINDOW = 32 * 1024
/** Larger objects are not compared at all. */
const LARGEST_COMPARED = 2 * 1024 * 1024
const SMALLEST_COMPARED = 32
const BLOB = objectTypes.indexOf('blob')

export interface FoundDelta {
  readonly base: number
  readonly delta: Buffer
}

interface Neighbour {
  readonly number: number
  readonly bytes: Buffer
  index: BlockIndex | undefined
}

/** Looks for a good base: what stood at the same path before and, for trees and commits, the last few of the same type. */
export class DeltaSearch {
  readonly #table: ObjectTable
  readonly #contents: ObjectContents
  /** By type, oldest first. */
  readonly #windows: Neighbour[][] = [[], [], []]

  constructor(table: ObjectTable, contents: ObjectContents) {
    this.#table = table
    this.#contents = contents
  }

  /** A delta upon the version before. @throws MalformedObject; system errors */
  async uponPredecessor(number: number, bytes: Buffer): Promise<FoundDelta | undefined> {
    if (bytes.length < SMALLEST_COMPARED || bytes.length > LARGEST_COMPARED) return undefined
    const base = this.#predecessor(number)
    if (base < 0) return undefined
    const baseBytes = this.#contents.kept(base) ?? (await this.#contents.read(base))
    if (baseBytes.length > LARGEST_COMPARED) return undefined
    const delta = encodeDelta(baseBytes, bytes, bytes.length >>> 1)
    return delta && { base, delta }
  }

  /** The smallest delta that is found. @throws MalformedObject; system errors */
  async best(number: number, bytes: Buffer): Promise<FoundDelta | undefined> {
    const upon = await this.uponPredecessor(number, bytes)
    // Successive versions have most in common: there is little to gain by looking further.
    if (upon !== undefined && upon.delta.length < bytes.length / 4) return upon
    // Records that look alike would save space, and cost every cold read of one the reading of others.
    if (this.#table.types[number] === BLOB) return upon
    return this.#amongNeighbours(number, bytes, upon)
  }

  /** The next objects of its type are compared with it. Takes contents that stand alone. */
  remember(number: number, bytes: Buffer): void {
    if (bytes.length < SMALLEST_COMPARED || bytes.length > LARGEST_IN_WINDOW) return
    if (this.#table.types[number] === BLOB) return
    const window = this.#windows[this.#table.types[number]!]!
    window.push({ number, bytes, index: undefined })
    if (window.length > WINDOW_OBJECTS) window.shift()
  }

  #amongNeighbours(number: number, bytes: Buffer, found: FoundDelta | undefined): FoundDelta | undefined {
    if (bytes.length < SMALLEST_COMPARED || bytes.length > LARGEST_IN_WINDOW) return found
    const window = this.#windows[this.#table.types[number]!]!
    let best = found
    for (let i = window.length - 1; i >= 0; i--) {
      const neighbour = window[i]!
      if (this.#table.depths[neighbour.number]! >= MAX_CHAIN || neighbour.bytes.length * 8 < bytes.length) continue
      const largest = best === undefined ? bytes.length >>> 1 : best.delta.length - 1
      const index = (): BlockIndex => (neighbour.index ??= new BlockIndex(neighbour.bytes))
      const delta = encodeDelta(neighbour.bytes, bytes, largest, index)
      if (delta !== undefined) best = { base: neighbour.number, delta }
    }
    return best
  }

  /** The version before, or one further back where the chain is at its end. */
  #predecessor(number: number): number {
    const { predecessors, writtenAt, writtenBases, depths } = this.#table
    let base = predecessors[number]!
    if (base < 0 || writtenAt[base] === 0) return -1
    if (depths[base]! >= MAX_CHAIN) while (depths[base]! > BRANCH_DEPTH) base = writtenBases[base]!
    return base
  }
}
