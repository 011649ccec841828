import {
  type AnnouncingEvent,
  type CommitGraph,
  type CommitId,
  encodeHeads,
  type Environment,
  headsToTell,
  MAX_HEADS_PER_MESSAGE,
  newAnnouncingState,
  noteTold,
  type Sequence,
  stepAnnouncing,
  type Transport,
} from '@atolldb/core'
import type { BranchState, MoveCause } from '../engine/branch.ts'
import { Newest } from './newest.ts'

export interface AnnouncerParts {
  readonly transport: Transport
  readonly graph: CommitGraph
  readonly environment: Environment
  readonly incarnation: number
  readonly cluster: () => CommitId | undefined
  readonly state: () => BranchState | undefined
  /** Is something on its way here? */
  readonly isFetching: () => boolean
  /** Runs work in the background, while the node is online. */
  readonly run: (work: () => Promise<void>) => void
}

/** Tells the glob channel where `main` stands: performs what the announcing machine of core decides. */
export class Announcer {
  readonly #parts: AnnouncerParts
  readonly #machine = newAnnouncingState()
  /** What is told is the newest: while one announcement is being made, others become one. */
  readonly #announcing: Newest<'main', CommitId>
  #timer: NodeJS.Timeout | undefined
  #counter = 0

  constructor(parts: AnnouncerParts) {
    this.#parts = parts
    this.#announcing = new Newest((_what, cluster) => this.#announceNow(cluster))
  }

  moved(cause: MoveCause): void {
    const { transport, environment } = this.#parts
    if (cause === 'sealed') return this.#take({ type: 'sealed' })
    const [random = 128] = environment.randomBytes(1)
    this.#take({ type: 'adopted', peers: transport.peers().length, random: random / 256 })
  }

  /** A peer told of its `main` on the channel. */
  heard(main: CommitId): void {
    noteTold(this.#machine, main)
  }

  /** Of the newest announcement. */
  get sequence(): Sequence {
    return [this.#parts.incarnation, this.#counter]
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #take(event: AnnouncingEvent): void {
    const nowMs = this.#parts.environment.monotonicMs()
    for (const effect of stepAnnouncing(this.#machine, event, nowMs)) {
      clearTimeout(this.#timer)
      if (effect.type === 'announce') this.#announce()
      else this.#timer = setTimeout(() => this.#lookAgain(), effect.atMs - nowMs)
    }
  }

  #lookAgain(): void {
    this.#take({ type: 'timer', isFetching: this.#parts.isFetching() })
  }

  #announce(): void {
    const cluster = this.#parts.cluster()
    if (cluster !== undefined) this.#parts.run(() => this.#announcing.put('main', cluster))
  }

  async #announceNow(cluster: CommitId): Promise<void> {
    const { transport, state, graph } = this.#parts
    const now = state()
    if (now === undefined) return
    const { main } = now
    const { clock } = await graph.node(main)
    const heads = headsToTell(this.#machine, main, now.heads.slice(0, MAX_HEADS_PER_MESSAGE))
    this.#counter++
    await transport.broadcast(encodeHeads({ cluster, sequence: this.sequence, heads, main, clock }))
  }
}
