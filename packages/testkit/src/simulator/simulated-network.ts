import { AtollError } from '@atolldb/core'
import type { SeededRandom } from './seeded-random.ts'
import type { Timeline } from './timeline.ts'

/** How good the network is; drawn anew for every simulation. */
export interface NetworkQuality {
  readonly latencyMs: readonly [low: number, high: number]
  /** Of gossip: streams lose nothing, they break. */
  readonly loss: number
  readonly duplication: number
  /** What one direction of a link carries. */
  readonly bytesPerMs: number
  /** One link in so many is a hundred times slower. */
  readonly slowLinks: number
  /** How many peers a node hands a broadcast on to; all of them where there are no more. */
  readonly fanOut: number
}

/** What a node offers to the network. */
export interface Station {
  readonly isUp: boolean
  onPeer(type: 'connected' | 'disconnected', peer: number): void
  onGossip(from: number, message: Uint8Array): void
  /** Answers a request by frames, one after the other. */
  onRequest(from: number, protocol: string, request: Uint8Array): AsyncIterable<Frame>
}

/** A part of an answer, of so many bytes on the wire. */
export interface Frame {
  readonly sizeBytes: number
  readonly content: unknown
}

export interface Traffic {
  gossipMessages: number
  gossipBytes: number
  requests: number
  streamBytes: number
}

interface Call {
  readonly from: number
  readonly to: number
  readonly fail: (reason: string) => void
}

/** A broken link shows itself only so late. */
const BROKEN_AFTER_MS = 50

/**
 * The network of a simulation. Gossip is delayed, lost, doubled and overtaken; a stream delivers in order or breaks. A link
 * can be cut in one direction: then gossip still passes the other way, and no stream stands.
 */
export class SimulatedNetwork {
  readonly traffic: Traffic = { gossipMessages: 0, gossipBytes: 0, requests: 0, streamBytes: 0 }
  readonly #timeline: Timeline
  readonly #random: SeededRandom
  readonly #quality: NetworkQuality
  readonly #stations: Station[] = []
  readonly #cuts = new Set<string>()
  readonly #slow = new Set<string>()
  readonly #connected = new Set<string>()
  readonly #calls = new Set<Call>()
  #isPerfect = false

  constructor(timeline: Timeline, random: SeededRandom, quality: NetworkQuality) {
    this.#timeline = timeline
    this.#random = random
    this.#quality = quality
  }

  add(station: Station): void {
    const number = this.#stations.push(station) - 1
    for (let other = 0; other < number; other++)
      if (this.#random.chance(this.#quality.slowLinks)) this.#slow.add(pairOf(number, other))
  }

  /** Cuts one direction. */
  cut(from: number, to: number): void {
    this.#cuts.add(`${from}>${to}`)
    this.look()
  }

  mend(from: number, to: number): void {
    this.#cuts.delete(`${from}>${to}`)
    this.look()
  }

  /** From now on nothing is cut, lost or doubled. */
  heal(): void {
    this.#cuts.clear()
    this.#isPerfect = true
    this.look()
  }

  peersOf(station: number): number[] {
    return this.#stations.flatMap((_, other) => (this.#connected.has(pairOf(station, other)) ? [other] : []))
  }

  /** Tells stations whom they can reach, after a cut, a start or an end. */
  look(): void {
    for (let a = 0; a < this.#stations.length; a++)
      for (let b = 0; b < a; b++) {
        const pair = pairOf(a, b)
        const stands = this.#isOpen(a, b) && this.#isOpen(b, a)
        if (stands === this.#connected.has(pair)) continue
        if (stands) this.#connected.add(pair)
        else this.#connected.delete(pair)
        for (const [one, other] of [
          [a, b],
          [b, a],
        ] as const)
          if (this.#stations[one]!.isUp) this.#stations[one]!.onPeer(stands ? 'connected' : 'disconnected', other)
      }
    for (const call of this.#calls)
      if (!this.#connected.has(pairOf(call.from, call.to))) call.fail('the connection ended')
  }

  /** Each node that hears it for the first time hands it on: to some of its peers, or else to those that it did not reach. */
  broadcast(from: number, message: Uint8Array): void {
    this.#handOn(from, from, message, new Set([from]))
  }

  #handOn(origin: number, from: number, message: Uint8Array, heard: Set<number>): void {
    const { fanOut, loss, duplication } = this.#quality
    const others: number[] = []
    for (let other = 0; other < this.#stations.length; other++) {
      if (other === from || other === origin) continue
      if (fanOut === Infinity && from !== origin && this.#isOpen(origin, other)) continue
      others.push(other)
    }
    while (others.length > fanOut) others.splice(this.#random.below(others.length), 1)
    for (const to of others) {
      if (!this.#isOpen(from, to)) continue
      const copies = this.#isPerfect || !this.#random.chance(duplication) ? 1 : 2
      for (let copy = 0; copy < copies; copy++) {
        this.traffic.gossipMessages++
        this.traffic.gossipBytes += message.length
        if (!this.#isPerfect && this.#random.chance(loss)) continue
        if (copies === 1 && heard.has(to)) continue
        this.#timeline.after(this.#delay(from, to, message.length), () => {
          if (!this.#isOpen(from, to)) return
          const isFirst = !heard.has(to)
          heard.add(to)
          // Doubles reach the node too: gossip that suppresses them forgets after a while.
          if (isFirst || copies > 1) this.#stations[to]!.onGossip(origin, message)
          if (isFirst) this.#handOn(origin, to, message, heard)
        })
      }
    }
  }

  /** Asks a station and hands each frame of its answer to `take`, in order. @throws UNAVAILABLE */
  async request(
    from: number,
    to: number,
    protocol: string,
    message: Uint8Array,
    take: (content: unknown) => Promise<void>,
  ): Promise<void> {
    if (!this.#connected.has(pairOf(from, to))) throw unavailable('not connected')
    this.traffic.requests++
    this.traffic.streamBytes += message.length
    let call: Call | undefined
    const broken = new Promise<never>((_, reject) => {
      call = {
        from,
        to,
        fail: reason => this.#timeline.after(BROKEN_AFTER_MS, () => reject(unavailable(reason))),
      }
      this.#calls.add(call)
    })
    try {
      await Promise.race([this.#exchange(from, to, protocol, message, take), broken])
    } finally {
      this.#calls.delete(call!)
    }
  }

  async #exchange(
    from: number,
    to: number,
    protocol: string,
    message: Uint8Array,
    take: (content: unknown) => Promise<void>,
  ): Promise<void> {
    await this.#travel(from, to, message.length)
    for await (const { sizeBytes, content } of this.#stations[to]!.onRequest(from, protocol, message)) {
      this.traffic.streamBytes += sizeBytes
      await this.#travel(to, from, sizeBytes)
      await take(content)
    }
  }

  /** What is on its way when the connection ends arrives nowhere. */
  #travel(from: number, to: number, sizeBytes: number): Promise<void> {
    return new Promise(resolve => {
      this.#timeline.after(this.#delay(from, to, sizeBytes), () => {
        if (this.#connected.has(pairOf(from, to))) resolve()
      })
    })
  }

  #delay(from: number, to: number, sizeBytes: number): number {
    const { latencyMs, bytesPerMs } = this.#quality
    const slowness = this.#slow.has(pairOf(from, to)) ? 100 : 1
    return this.#random.between(...latencyMs) + (sizeBytes / bytesPerMs) * slowness
  }

  #isOpen(from: number, to: number): boolean {
    return this.#stations[from]!.isUp && this.#stations[to]!.isUp && !this.#cuts.has(`${from}>${to}`)
  }
}

function pairOf(a: number, b: number): string {
  return a < b ? `${a}-${b}` : `${b}-${a}`
}

function unavailable(reason: string): AtollError<'UNAVAILABLE'> {
  return new AtollError('UNAVAILABLE', reason, { what: 'stream', reason })
}
