import { canonicalJson, decodeUtf8, isAtollError, type NodeId } from '@atolldb/core'
import type { OracleCommit, SeededRandom } from '@atolldb/testkit'
import type { Database, Transaction } from 'atolldb'
import type { Life, WholeNode } from './whole-node.ts'

/** One record's part of a write. */
interface Written {
  readonly node: number
  readonly author: NodeId
  /** `farms/north`, `readings/01J…` */
  readonly record: string
  /** It is in the value, and in no other; undefined: a delete. */
  readonly mark: number | undefined
  isAcknowledged: boolean
}

const hot = ['north', 'south', '']
/** What may end a write without anything being wrong: the node ended, or somebody else was faster. */
const harmless = ['CLOSED', 'ABORTED', 'CONFLICT', 'MISSING', 'NO_CLUSTER'] as const

/** Writes as users do, and remembers what was promised. */
export class WholeWrites {
  readonly #random: SeededRandom
  readonly #written: Written[] = []
  readonly #lines: string[] = []
  #marks = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  get acknowledged(): number {
    return this.#written.filter(({ isAcknowledged }) => isAcknowledged).length
  }

  async writeAt(node: WholeNode): Promise<void> {
    const { life } = node
    if (life === undefined) return
    try {
      await this.#write(node.number, life)
    } catch (error) {
      if (!life.isKilled && !harmless.some(code => isAtollError(error, code))) throw error
    }
  }

  async #write(node: number, life: Life): Promise<void> {
    const { db } = life
    const parts: Written[] = []
    const note = (record: string, mark: number | undefined): void => {
      const written = { node, author: db.node, record, mark, isAcknowledged: false }
      this.#written.push(written)
      parts.push(written)
    }
    const action = this.#random.next()
    if (action < 0.05) await db.configure('farms', { policy: this.#random.pick(['fields', 'latest', 'keep']) })
    else if (action < 0.4) {
      const [id, value] = this.#put(note)
      await db.object('farms').put(id, value)
    } else if (action < 0.55) {
      const [id, { mark }] = this.#put(note)
      await db.object('farms').patch(id, { mark })
    } else if (action < 0.7) {
      const count = 2 + this.#random.below(3)
      await db.batch(async tx => {
        for (let i = 0; i < count; i++) tx.object('farms').put(...this.#put(note))
        this.#insert(tx, note)
      })
    } else if (action < 0.85) await db.batch(async tx => this.#insert(tx, note))
    else await this.#delete(db, note)
    // Whoever was killed before this turn of the loop has told nobody.
    if (!life.isKilled) for (const part of parts) part.isAcknowledged = true
  }

  #put(note: (record: string, mark: number) => void): [id: string, value: { mark: number; crop: string }] {
    const id = this.#random.chance(0.7) ? this.#random.pick(hot) : `cold-${this.#random.below(200)}`
    const mark = ++this.#marks
    note(`farms/${id}`, mark)
    return [id, { mark, crop: this.#random.pick(['rye', 'oats']) }]
  }

  #insert(tx: Transaction, note: (record: string, mark: number) => void): void {
    const mark = ++this.#marks
    const id = tx.list('readings').insert({ mark })
    this.#lines.push(id)
    note(`readings/${id}`, mark)
  }

  /** A delete of what is in a commit leaves a trace in the next one, and only that. */
  async #delete(db: Database, note: (record: string, mark: undefined) => void): Promise<void> {
    const line = this.#random.chance(0.5) ? this.#lines[this.#random.below(this.#lines.length)] : undefined
    const id = line ?? this.#random.pick(hot)
    await db.flush()
    await db.batch(async tx => {
      const collection = line === undefined ? tx.object('farms') : tx.list('readings')
      if ((await collection.get(id)) === undefined) return
      collection.delete(id)
      note(`${line === undefined ? 'farms' : 'readings'}/${id}`, undefined)
    })
  }

  /** What was acknowledged and is not in the history: neither itself, nor what the same node wrote over it. */
  missingFrom(commits: readonly OracleCommit[]): string[] {
    const found = new Set<string>()
    for (const { stamp, changes } of commits)
      for (const { ref, content } of changes)
        found.add(traceOf(stamp.node, `${ref.collection}/${ref.id}`, content && markIn(content.bytes)))
    const missing: string[] = []
    for (const [i, write] of this.#written.entries()) {
      if (!write.isAcknowledged) continue
      const successors = this.#written
        .slice(i)
        .filter(({ author, record }) => author === write.author && record === write.record)
      if (!successors.some(({ author, record, mark }) => found.has(traceOf(author, record, mark))))
        missing.push(
          `${write.mark === undefined ? 'the delete' : `mark ${write.mark}`} of ${write.record} by node ${write.node}`,
        )
    }
    return missing
  }
}

function traceOf(author: NodeId, record: string, mark: number | undefined): string {
  return canonicalJson([author, record, mark ?? null])
}

function markIn(bytes: Uint8Array): number | undefined {
  return (JSON.parse(decodeUtf8(bytes)) as { mark?: number }).mark
}
