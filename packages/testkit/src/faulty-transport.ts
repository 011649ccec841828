import { AtollError, type ByteStream, type NodeId, type PeerEvent, type Transport } from '@atolldb/core'
import type { MemoryTransport } from './memory-transport.ts'
import type { SeededRandom } from './simulator/seeded-random.ts'

/** How bad a network is. It may change at any time. */
export interface Weather {
  latencyMs: readonly [low: number, high: number]
  /** Of gossip: so many are lost, or come twice. */
  loss: number
  duplication: number
  /** So many streams break on their way. */
  breaks: number
}

/** Chunks of a stream that may pass before it breaks. */
const MAX_CHUNKS_BEFORE_BREAK = 8

/**
 * A transport whose network delays, loses, doubles and breaks, in real time. A node can be deaf to another one: then nothing
 * that the other one begins reaches it, while what it begins itself does. Which fault comes when is drawn from the random
 * numbers; the course of events is not, since timers decide who draws first.
 */
export class FaultyTransport implements Transport {
  readonly weather: Weather
  /** Peers whose messages and streams do not get here. */
  readonly deafTo = new Set<NodeId>()
  readonly #inner: MemoryTransport
  readonly #random: SeededRandom
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(inner: MemoryTransport, weather: Weather, random: SeededRandom) {
    this.#inner = inner
    this.weather = weather
    this.#random = random
  }

  get self(): NodeId {
    return this.#inner.self
  }

  start(): Promise<void> {
    return this.#inner.start()
  }

  async stop(): Promise<void> {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
    await this.#inner.stop()
  }

  addresses(): string[] {
    return this.#inner.addresses()
  }

  peers(): ReturnType<Transport['peers']> {
    return this.#inner.peers()
  }

  bootstraps(): ReturnType<Transport['bootstraps']> {
    return this.#inner.bootstraps()
  }

  remember(addresses: readonly string[]): void {
    this.#inner.remember(addresses)
  }

  joinChannel(name: string): void {
    this.#inner.joinChannel(name)
  }

  broadcast(message: Uint8Array): Promise<void> {
    return this.#inner.broadcast(message)
  }

  onBroadcast(handler: (from: NodeId, message: Uint8Array) => void): () => void {
    return this.#inner.onBroadcast((from, message) => {
      if (this.deafTo.has(from) || this.#random.chance(this.weather.loss)) return
      const copies = this.#random.chance(this.weather.duplication) ? 2 : 1
      for (let copy = 0; copy < copies; copy++) this.#later(() => handler(from, message.slice()))
    })
  }

  onPeer(handler: (event: PeerEvent) => void): () => void {
    return this.#inner.onPeer(handler)
  }

  handle(protocol: string, handler: (from: NodeId, stream: ByteStream) => Promise<void>): () => void {
    return this.#inner.handle(protocol, async (from, stream) => {
      if (this.deafTo.has(from)) throw new AtollError('UNAVAILABLE', 'nothing came', { what: protocol, reason: 'deaf' })
      await handler(from, stream)
    })
  }

  async openStream(peer: NodeId, protocol: string, options?: { signal?: AbortSignal }): Promise<ByteStream> {
    await this.#travel()
    const stream = await this.#inner.openStream(peer, protocol, options)
    return this.#delayed(stream)
  }

  disconnect(peer: NodeId, options?: { forMs?: number }): Promise<void> {
    return this.#inner.disconnect(peer, options)
  }

  /** Each way takes its time, in order; the one who opened the stream waits for both. */
  #delayed(stream: ByteStream): ByteStream {
    let chunksLeft = this.#random.chance(this.weather.breaks) ? this.#random.below(MAX_CHUNKS_BEFORE_BREAK) : Infinity
    const carry = async function* (
      this: FaultyTransport,
      chunks: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
    ): AsyncGenerator<Uint8Array> {
      for await (const chunk of chunks) {
        await this.#travel()
        if (chunksLeft-- <= 0) stream.abort(new AtollError('PROTOCOL', 'the line broke', { reason: 'the line broke' }))
        yield chunk
      }
    }.bind(this)
    return {
      source: carry(stream.source),
      sink: source => stream.sink(carry(source)),
      abort: reason => stream.abort(reason),
    }
  }

  #travel(): Promise<void> {
    return new Promise(resolve => void setTimeout(resolve, this.#random.between(...this.weather.latencyMs)))
  }

  #later(action: () => void): void {
    const timer = setTimeout(
      () => {
        this.#timers.delete(timer)
        action()
      },
      this.#random.between(...this.weather.latencyMs),
    )
    this.#timers.add(timer)
  }
}
