const BITS_AN_ID = 10
/** Half of the ids that it does not have would still be told apart by a filter for 32 million ids. */
const LARGEST_BYTES = 16 * 1024 * 1024
const PROBES = 4

/**
 * Says of most object ids that they are not in a set, and never of one that is (Bloom 1970). Ten bits an id: of those that
 * are not in it one in a hundred passes. Bounded to 16 MiB.
 */
export class BloomFilter {
  readonly #bits: Uint8Array
  readonly #mask: number

  constructor(ids: number) {
    const bits = Math.max(64, ids * BITS_AN_ID)
    const bytes = Math.min(LARGEST_BYTES, 2 ** Math.round(Math.log2(bits / 8)))
    this.#bits = new Uint8Array(bytes)
    this.#mask = bytes * 8 - 1
  }

  /** The id in binary stands at this place. */
  add(bytes: Buffer, at: number): void {
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = this.#bit(bytes, at, probe)
      this.#bits[bit >>> 3]! |= 1 << (bit & 7)
    }
  }

  mayHave(id: Buffer): boolean {
    for (let probe = 0; probe < PROBES; probe++) {
      const bit = this.#bit(id, 0, probe)
      if ((this.#bits[bit >>> 3]! & (1 << (bit & 7))) === 0) return false
    }
    return true
  }

  /** An id is as good as random in each of its parts; the first byte tells little, being the fan-out's. */
  #bit(bytes: Buffer, at: number, probe: number): number {
    return bytes.readUInt32LE(at + 1 + probe * 4) & this.#mask
  }
}
