import {
  assert,
  AtollError,
  invalid,
  MAX_GLOB_MESSAGE_BYTES,
  MAX_STREAMS_PER_PROTOCOL,
  parseNodeId,
  type BootstrapState,
  type ByteStream,
  type NodeId,
  type PeerEvent,
  type Transport,
  type TransportPeer,
} from '@atolldb/core'
import { MemoryStream } from './memory-stream.ts'

type StreamHandler = (from: NodeId, stream: ByteStream) => Promise<void>
type BroadcastHandler = (from: NodeId, message: Uint8Array) => void

const DISCONNECT_FOR_MS = 60_000
const addressPattern = /^\/memory\/(\d{1,5})(?:\/p2p\/(.+))?$/

export interface MemoryTransportOptions {
  /** Made up when absent. */
  readonly self?: NodeId
  /** `/memory/<port>`; port 0, the default, takes a free one. */
  readonly listen?: readonly string[]
  /** `/memory/<port>`, with or without `/p2p/<peer id>`. */
  readonly bootstrap?: readonly string[]
}

/**
 * A network in one process. Whoever should be connected is at once: there are no dials that take time and no back-off.
 * Broadcasts reach every node of the channel that a chain of connected nodes of the channel leads to.
 */
export class MemoryNetwork {
  /** Decides which broadcasts get lost on the way; none by default. */
  loses: (from: NodeId, to: NodeId, message: Uint8Array) => boolean = () => false
  readonly #transportByPort = new Map<number, MemoryTransport>()
  readonly #transports = new Set<MemoryTransport>()
  readonly #cuts = new Set<string>()
  #nodes = 0
  #lastPort = 0

  createTransport(options: MemoryTransportOptions = {}): MemoryTransport {
    return new MemoryTransport(this, options.self ?? memoryNodeId(++this.#nodes), options)
  }

  /** Ends the connection of two nodes, and lets them have none until {@link MemoryNetwork.heal}. */
  cut(one: NodeId, other: NodeId): void {
    this.#cuts.add(pairOf(one, other))
    for (const transport of this.#transports) if (transport.self === one) transport.drop(other)
  }

  heal(one: NodeId, other: NodeId): void {
    this.#cuts.delete(pairOf(one, other))
    this.settle()
  }

  isCut(one: NodeId, other: NodeId): boolean {
    return this.#cuts.has(pairOf(one, other))
  }

  at(port: number): MemoryTransport | undefined {
    return this.#transportByPort.get(port)
  }

  /** @throws ADDRESS_IN_USE */
  join(transport: MemoryTransport, ports: readonly number[]): number[] {
    for (const port of ports)
      if (port !== 0 && this.#transportByPort.has(port)) {
        const address = `/memory/${port}`
        throw new AtollError('ADDRESS_IN_USE', `cannot listen on ${address}`, { address })
      }
    const taken = ports.map(port => (port === 0 ? this.#freePort() : port))
    for (const port of taken) this.#transportByPort.set(port, transport)
    this.#transports.add(transport)
    return taken
  }

  leave(transport: MemoryTransport): void {
    this.#transports.delete(transport)
    for (const [port, owner] of this.#transportByPort) if (owner === transport) this.#transportByPort.delete(port)
  }

  /** Connects, in a moment, whoever should be. */
  settle(): void {
    queueMicrotask(() => {
      for (const transport of this.#transports) transport.dial()
    })
  }

  /** Never the same twice, so that nobody comes to stand where another one was expected. */
  #freePort(): number {
    do this.#lastPort++
    while (this.#transportByPort.has(this.#lastPort))
    return this.#lastPort
  }
}

interface Link {
  readonly peer: MemoryTransport
  readonly address: string
  readonly streams: Set<{ readonly protocol: string; readonly stream: MemoryStream }>
}

interface Target {
  readonly address: string
  readonly port: number
  readonly peer: NodeId | undefined
  error?: string
}

/** {@link Transport} in memory. */
export class MemoryTransport implements Transport {
  readonly self: NodeId
  readonly #network: MemoryNetwork
  readonly #listen: readonly number[]
  readonly #bootstraps: readonly Target[]
  readonly #remembered = new Map<string, Target>()
  readonly #linkByPeer = new Map<NodeId, Link>()
  readonly #refusals = new Map<NodeId, ReturnType<typeof setTimeout>>()
  readonly #handlerByProtocol = new Map<string, StreamHandler>()
  readonly #broadcastHandlers = new Set<BroadcastHandler>()
  readonly #peerHandlers = new Set<(event: PeerEvent) => void>()
  #ports: readonly number[] = []
  #running = false
  #channel: string | undefined

  constructor(network: MemoryNetwork, self: NodeId, options: MemoryTransportOptions) {
    this.self = self
    this.#network = network
    this.#listen = (options.listen ?? ['/memory/0']).map(address => parseAddress(address).port)
    this.#bootstraps = (options.bootstrap ?? []).map(parseAddress)
  }

  async start(): Promise<void> {
    if (this.#running) return
    this.#ports = this.#network.join(this, this.#listen)
    this.#running = true
    this.#network.settle()
  }

  async stop(): Promise<void> {
    if (!this.#running) return
    this.#running = false
    this.#network.leave(this)
    for (const peer of [...this.#linkByPeer.keys()]) this.drop(peer)
    for (const timer of this.#refusals.values()) clearTimeout(timer)
    this.#refusals.clear()
    this.#ports = []
  }

  addresses(): string[] {
    return this.#ports.map(port => `/memory/${port}/p2p/${this.self}`)
  }

  peers(): TransportPeer[] {
    return [...this.#linkByPeer].map(([id, { address }]) => ({ id, address }))
  }

  bootstraps(): BootstrapState[] {
    return this.#bootstraps.map(target => {
      const peer = target.peer ?? this.#network.at(target.port)?.self
      const connected = peer !== undefined && this.#linkByPeer.has(peer)
      const { address, error } = target
      return connected || error === undefined ? { address, connected } : { address, connected, error }
    })
  }

  remember(addresses: readonly string[]): void {
    for (const address of addresses) {
      try {
        this.#remembered.set(address, parseAddress(address))
      } catch (error) {
        // Hearsay: what is no address is not remembered.
        if (!(error instanceof AtollError)) throw error
      }
    }
    this.#network.settle()
  }

  joinChannel(name: string): void {
    this.#channel = name
  }

  async broadcast(message: Uint8Array): Promise<void> {
    if (message.length > MAX_GLOB_MESSAGE_BYTES)
      throw new AtollError('TOO_LARGE', `broadcast: ${message.length} bytes`, {
        what: 'broadcast',
        limit: MAX_GLOB_MESSAGE_BYTES,
        actual: message.length,
      })
    if (!this.#running || this.#channel === undefined) return
    const reached = new Set<MemoryTransport>([this])
    for (const node of reached)
      for (const { peer } of node.#linkByPeer.values())
        if (peer.#channel === this.#channel && !this.#network.loses(this.self, peer.self, message)) reached.add(peer)
    reached.delete(this)
    for (const peer of reached) {
      const copy = message.slice()
      queueMicrotask(() => {
        if (peer.#running) for (const handler of [...peer.#broadcastHandlers]) handler(this.self, copy)
      })
    }
  }

  onBroadcast(handler: BroadcastHandler): () => void {
    this.#broadcastHandlers.add(handler)
    return () => void this.#broadcastHandlers.delete(handler)
  }

  onPeer(handler: (event: PeerEvent) => void): () => void {
    this.#peerHandlers.add(handler)
    return () => void this.#peerHandlers.delete(handler)
  }

  handle(protocol: string, handler: StreamHandler): () => void {
    assert(!this.#handlerByProtocol.has(protocol), `${protocol} is handled once`)
    this.#handlerByProtocol.set(protocol, handler)
    return () => {
      if (this.#handlerByProtocol.get(protocol) === handler) this.#handlerByProtocol.delete(protocol)
    }
  }

  async openStream(peer: NodeId, protocol: string, options: { signal?: AbortSignal } = {}): Promise<ByteStream> {
    const what = `stream ${protocol} to ${peer}`
    if (options.signal?.aborted === true) throw new AtollError('ABORTED', `${what}: aborted`, { what })
    const link = this.#linkByPeer.get(peer)
    if (link === undefined) throw unavailable(what, 'not connected')
    const handler = link.peer.#handlerByProtocol.get(protocol)
    if (handler === undefined) throw new AtollError('UNSUPPORTED', `${what}: the peer does not speak it`, { what })
    let open = 0
    for (const each of link.streams) {
      if (each.stream.over) link.streams.delete(each)
      else if (each.protocol === protocol) open++
    }
    if (open >= MAX_STREAMS_PER_PROTOCOL) throw unavailable(what, 'too many streams')
    const [here, there] = MemoryStream.pair()
    link.streams.add({ protocol, stream: here })
    queueMicrotask(() => void answer(handler, this.self, there))
    return here
  }

  async disconnect(peer: NodeId, options: { forMs?: number } = {}): Promise<void> {
    clearTimeout(this.#refusals.get(peer))
    const again = () => {
      this.#refusals.delete(peer)
      this.#network.settle()
    }
    this.#refusals.set(peer, setTimeout(again, options.forMs ?? DISCONNECT_FOR_MS))
    this.drop(peer)
  }

  // --- For the network ----------------------------------------------------------------------------------------------

  /** Tries every address whose node is not connected. */
  dial(): void {
    for (const target of [...this.#bootstraps, ...this.#remembered.values()]) {
      if (!this.#running) return
      this.#dial(target)
    }
  }

  drop(peer: NodeId): void {
    const link = this.#linkByPeer.get(peer)
    if (link === undefined) return
    this.#unlink(peer)
    link.peer.#unlink(this.self)
    for (const { stream } of link.streams) stream.losePeer('the connection ended early')
    this.#network.settle()
  }

  #dial(target: Target): void {
    const { address, port } = target
    const peer = this.#network.at(port)
    if (target.peer === this.self || peer === this) return
    if (peer !== undefined && this.#linkByPeer.has(peer.self) && (target.peer ?? peer.self) === peer.self) return
    const error = this.#obstacle(target, peer)
    if (error !== undefined) {
      target.error = error
      return
    }
    delete target.error
    assert(peer !== undefined, 'no obstacle without somebody there')
    const streams: Link['streams'] = new Set()
    this.#linkByPeer.set(peer.self, { peer, address: withPeer(address, peer.self), streams })
    peer.#linkByPeer.set(this.self, { peer: this, address: this.addresses()[0] ?? `/p2p/${this.self}`, streams })
    this.#tell({ type: 'connected', peer: peer.self })
    peer.#tell({ type: 'connected', peer: this.self })
  }

  #obstacle(target: Target, peer: MemoryTransport | undefined): string | undefined {
    if (peer === undefined) return `nobody listens on ${target.address}`
    if (target.peer !== undefined && target.peer !== peer.self) return `${peer.self} answers at ${target.address}`
    if (this.#network.isCut(this.self, peer.self)) return 'the network is cut'
    if (this.#refusals.has(peer.self) || peer.#refusals.has(this.self)) return 'refused for a while'
    return undefined
  }

  #unlink(peer: NodeId): void {
    if (this.#linkByPeer.delete(peer)) this.#tell({ type: 'disconnected', peer })
  }

  #tell(event: PeerEvent): void {
    // Later, so that a handler that acts on one end of a link finds both, and events stay in order.
    queueMicrotask(() => {
      for (const handler of [...this.#peerHandlers]) handler(event)
    })
  }
}

async function answer(handler: StreamHandler, from: NodeId, stream: MemoryStream): Promise<void> {
  try {
    await handler(from, stream)
  } catch (error) {
    stream.abort(error instanceof Error ? error : new Error(String(error)))
  }
}

/** @throws INVALID */
function parseAddress(address: string): Target {
  const [, port, peer] = addressPattern.exec(address) ?? []
  if (port === undefined) throw invalid('address', `${JSON.stringify(address)} is not /memory/<port>`)
  return { address, port: Number(port), peer: peer === undefined ? undefined : parseNodeId(peer) }
}

function withPeer(address: string, peer: NodeId): string {
  return address.includes('/p2p/') ? address : `${address}/p2p/${peer}`
}

function pairOf(one: NodeId, other: NodeId): string {
  return one < other ? `${one} ${other}` : `${other} ${one}`
}

/** The n-th node id that looks like one; nobody has its key. */
function memoryNodeId(n: number): NodeId {
  const digits = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let text = ''
  for (let rest = n; text.length < 8; rest = Math.floor(rest / digits.length))
    text = digits.charAt(rest % digits.length) + text
  return parseNodeId(`12D3KooWmemory${'1'.repeat(52 - 14 - text.length)}${text}`)
}

function unavailable(what: string, reason: string): AtollError<'UNAVAILABLE'> {
  return new AtollError('UNAVAILABLE', `${what}: ${reason}`, { what, reason })
}
