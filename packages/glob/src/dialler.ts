import type { BootstrapState, NodeId } from '@atolldb/core'
import type { DialAddress } from './addresses.ts'
import { backOffMs, LASTING_CONNECTION_MS } from './back-off.ts'
import { reasonOf, type Log } from './options.ts'

/** Addresses learned from others that are kept; more are not taken. */
const MAX_REMEMBERED_ADDRESSES = 1024

/** What the dialler needs of the network. */
export interface DialNetwork {
  readonly self: NodeId
  /** Connects, and says who answered. Rejects with {@link SelfDialError} when that was ourselves. */
  dial(address: string): Promise<NodeId>
  isConnected(peer: NodeId): boolean
  /** Milliseconds for which the peer must not be dialled; 0 when it may. */
  refusedForMs(peer: NodeId): number
}

/** We answered ourselves. */
export class SelfDialError extends Error {
  override readonly name = 'SelfDialError'
}

interface Target {
  readonly address: string
  /** Who must answer, or who did the last time where nobody in particular must. */
  peer: NodeId | undefined
  /** One of ours: never dialled again. */
  own: boolean
  failures: number
  error: string | undefined
  dialling: boolean
  timer: ReturnType<typeof setTimeout> | undefined
  connectedAtMs: number
}

/**
 * Dials a list of addresses for ever: each whose peer is not connected, with jittered exponential back-off. Every address
 * has a back-off of its own, so that one that never answers does not hold up the others.
 */
export class Dialler {
  readonly #network: DialNetwork
  readonly #bootstraps: readonly Target[]
  readonly #targetByAddress = new Map<string, Target>()
  readonly #log: Log
  readonly #random: () => number
  #running = false
  /** Counts starts, so that a dial of an earlier run changes nothing. */
  #run = 0

  constructor(network: DialNetwork, bootstraps: readonly DialAddress[], log: Log, random: () => number) {
    this.#network = network
    this.#log = log
    this.#random = random
    this.#bootstraps = [...new Map(bootstraps.map(each => [each.address, each])).values()].map(each => this.#add(each))
  }

  states(): BootstrapState[] {
    return this.#bootstraps.map(({ address, peer, error }) => {
      if (peer !== undefined && this.#network.isConnected(peer)) return { address, connected: true }
      return error === undefined ? { address, connected: false } : { address, connected: false, error }
    })
  }

  /** Dials the address too, from now on. */
  remember(address: DialAddress): void {
    if (this.#targetByAddress.has(address.address)) return
    if (this.#targetByAddress.size >= MAX_REMEMBERED_ADDRESSES) {
      this.#log('warn', 'too many addresses to remember', { address: address.address })
      return
    }
    const target = this.#add(address)
    if (this.#running) void this.#attempt(target)
  }

  start(): void {
    this.#running = true
    this.#run++
    for (const target of this.#targetByAddress.values()) {
      target.failures = 0
      void this.#attempt(target)
    }
  }

  /** Ends all timers; a dial that is still going on is the network's to end. */
  stop(): void {
    this.#running = false
    for (const target of this.#targetByAddress.values()) {
      clearTimeout(target.timer)
      target.timer = undefined
      target.dialling = false
    }
  }

  /** To be called when the first connection to a peer opens. */
  connected(peer: NodeId): void {
    for (const target of this.#targetsOf(peer)) this.#reached(target)
  }

  /** To be called when the last connection to a peer ends. */
  disconnected(peer: NodeId): void {
    for (const target of this.#targetsOf(peer)) {
      if (performance.now() - target.connectedAtMs > LASTING_CONNECTION_MS) target.failures = 0
      this.#retryLater(target)
    }
  }

  #add({ address, peer }: DialAddress): Target {
    const target: Target = {
      address,
      peer,
      own: peer === this.#network.self,
      failures: 0,
      error: undefined,
      dialling: false,
      timer: undefined,
      connectedAtMs: 0,
    }
    this.#targetByAddress.set(address, target)
    return target
  }

  *#targetsOf(peer: NodeId): Generator<Target> {
    for (const target of this.#targetByAddress.values()) if (target.peer === peer) yield target
  }

  async #attempt(target: Target): Promise<void> {
    const run = this.#run
    if (!this.#running || target.own || target.dialling) return
    if (target.peer !== undefined && this.#network.isConnected(target.peer)) return
    const refusedForMs = target.peer === undefined ? 0 : this.#network.refusedForMs(target.peer)
    if (refusedForMs > 0) return this.#schedule(target, refusedForMs)
    target.dialling = true
    try {
      const peer = await this.#network.dial(target.address)
      if (run !== this.#run || !this.#running) return
      target.dialling = false
      target.peer = peer
      // It may have ended before we were told that it began.
      if (this.#network.isConnected(peer)) this.#reached(target)
      else this.#retryLater(target)
    } catch (error) {
      if (run !== this.#run || !this.#running) return
      target.dialling = false
      this.#failed(target, error)
    }
  }

  #reached(target: Target): void {
    clearTimeout(target.timer)
    target.timer = undefined
    target.error = undefined
    target.connectedAtMs = performance.now()
  }

  #failed(target: Target, error: unknown): void {
    if (error instanceof SelfDialError) {
      target.own = true
      target.error = undefined
      return
    }
    const reason = reasonOf(error)
    if (reason !== target.error)
      this.#log('warn', 'peer not reached, trying again', { address: target.address, error: reason })
    target.error = reason
    this.#retryLater(target)
  }

  #retryLater(target: Target): void {
    this.#schedule(target, backOffMs(target.failures++, this.#random))
  }

  #schedule(target: Target, delayMs: number): void {
    clearTimeout(target.timer)
    if (!this.#running || target.own) return
    target.timer = setTimeout(() => {
      target.timer = undefined
      void this.#attempt(target)
    }, delayMs)
  }
}
