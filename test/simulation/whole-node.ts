import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { NodeId } from '@atolldb/core'
import { FaultyTransport, type MemoryNetwork, type SeededRandom, type Weather } from '@atolldb/testkit'
import { type Database, open } from 'atolldb'

const SEAL_DELAY_MS = 20

/** From one start of a node to its end. */
export interface Life {
  readonly db: Database
  /** What is acknowledged from now on is nothing that the node has to keep. */
  isKilled: boolean
}

/** A node of `db` as it ships, with a directory of its own, on a network that is bad. */
export class WholeNode {
  readonly number: number
  readonly port: number
  readonly transport: () => FaultyTransport
  readonly #random: SeededRandom
  readonly #root: string
  readonly #createTransport: (self: NodeId | undefined) => FaultyTransport
  /** The processes that were killed, as far as one can kill a part of one: nobody hears of them any more. */
  readonly #ghosts: Promise<unknown>[] = []
  #transport: FaultyTransport | undefined
  #life: Life | undefined
  #lives = 0

  constructor(
    parts: { readonly network: MemoryNetwork; readonly weather: Weather; readonly random: SeededRandom },
    number: number,
    ports: readonly number[],
  ) {
    const [founder] = ports
    this.number = number
    this.port = ports[number]!
    this.#random = parts.random.fork(`node ${number}`)
    this.#root = mkdtempSync(join(tmpdir(), 'atoll-whole-'))
    const bootstrap = number === 0 ? [] : [`/memory/${founder}`]
    this.#createTransport = self => {
      const options = { listen: [`/memory/${this.port}`], bootstrap, ...(self === undefined ? {} : { self }) }
      return new FaultyTransport(parts.network.createTransport(options), parts.weather, this.#random)
    }
    this.transport = () => (this.#transport ??= this.#createTransport(undefined))
    this.#bootstrap = bootstrap
  }

  readonly #bootstrap: readonly string[]

  /** Undefined while it does not run. */
  get life(): Life | undefined {
    return this.#life
  }

  get directory(): string {
    return join(this.#root, `life-${this.#lives}`)
  }

  get self(): NodeId {
    return this.transport().self
  }

  async start(): Promise<void> {
    const deafTo = [...this.transport().deafTo]
    this.#transport = this.#createTransport(this.self)
    for (const peer of deafTo) this.#transport.deafTo.add(peer)
    const db = await open(this.directory, {
      name: `node-${this.number}`,
      durability: 'os',
      seal: { maxDelayMs: SEAL_DELAY_MS },
      bootstrap: this.#bootstrap,
      transport: this.#transport,
    })
    this.#life = { db, isKilled: false }
  }

  async stop(): Promise<void> {
    const life = this.#life
    this.#life = undefined
    await life?.db.close()
  }

  /**
   * As SIGKILL would: what the operating system has at this moment is what there is, in the middle of whatever goes on. The
   * files are copied in one turn of the loop, after the last word was said.
   */
  kill(): void {
    const life = this.#life
    if (life === undefined) return
    this.#life = undefined
    life.isKilled = true
    const { directory } = this
    this.#ghosts.push(this.transport().stop())
    this.#lives++
    cpSync(directory, this.directory, { recursive: true })
    this.#ghosts.push(life.db.close().catch(() => undefined))
  }

  async end(): Promise<void> {
    await this.stop()
    await Promise.all(this.#ghosts)
    rmSync(this.#root, { recursive: true, force: true })
  }
}
