import { isAtollError } from '@atolldb/core'
import type { SeededRandom } from '@atolldb/testkit'
import type { ChangesOptions, Database, FeedChange } from 'atolldb'
import { records } from '../../packages/db/test/replication/nodes.ts'
import type { Life, WholeNode } from './whole-node.ts'

/** How a reading ends without anything being wrong: with the node, or with the reader. */
const harmless = ['CLOSED', 'ABORTED'] as const

/**
 * Follows the feed of a node over all its lives, as users do: applies what it is told and keeps the last cursor. It stops after so
 * many changes and comes back later, so that it lags now and then.
 */
export class WholeReader {
  readonly #node: WholeNode
  readonly #random: SeededRandom
  /** One Object, or everything. */
  readonly #object: string | undefined
  readonly #records = new Map<string, unknown>()
  #cursor = '0'
  #told = 0

  constructor(node: WholeNode, random: SeededRandom, object?: string) {
    this.#node = node
    this.#random = random
    this.#object = object
  }

  get told(): number {
    return this.#told
  }

  /** Until the signal, over ends and restarts of the node. */
  async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      const { life } = this.#node
      if (life !== undefined) await this.#readIn(life, { signal })
      await pause(this.#random.between(1, this.#random.chance(0.3) ? 300 : 30))
    }
  }

  /** What it has differs from the database once it has read all there is; in words. */
  async difference(): Promise<string | undefined> {
    const life = this.#node.life!
    await this.#readIn(life, { live: false })
    const told = Object.fromEntries([...this.#records].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    const wanted = Object.entries(await this.#recordsOf(life.db)).toSorted(([a], [b]) => (a < b ? -1 : 1))
    const [ours, theirs] = [JSON.stringify(told), JSON.stringify(Object.fromEntries(wanted))]
    return ours === theirs ? undefined : `a reader at node ${this.#node.number} has ${ours}, not ${theirs}`
  }

  async #recordsOf(db: Database): Promise<Record<string, unknown>> {
    const all = Object.entries(await records(db))
    return Object.fromEntries(
      all.filter(([key]) => this.#object === undefined || key.startsWith(`objects/${this.#object}/`)),
    )
  }

  /** How many changes it was told. */
  async #readIn(life: Life, options: Pick<ChangesOptions, 'signal' | 'live'>): Promise<number> {
    const most = options.live === false ? Infinity : 1 + this.#random.below(12)
    const scope = this.#object === undefined ? {} : { object: this.#object }
    const onReached = (cursor: string): void => {
      if (!life.isKilled) this.#cursor = cursor
    }
    let told = 0
    try {
      for await (const change of life.db.changes({ ...scope, ...options, since: this.#cursor, onReached })) {
        // What a dead process would have said, it did not.
        if (life.isKilled) break
        this.#apply(change)
        if (++told >= most) break
      }
    } catch (error) {
      if (!life.isKilled && !harmless.some(code => isAtollError(error, code))) throw error
    }
    return told
  }

  #apply({ kind, collection, id, op, value, cursor }: FeedChange): void {
    const key = `${kind}/${collection}/${id}`
    if (op === 'delete') this.#records.delete(key)
    else this.#records.set(key, value)
    this.#cursor = cursor
    this.#told++
  }
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => void setTimeout(resolve, ms))
}
