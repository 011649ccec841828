import { setMaxListeners } from 'node:events'
import {
  assert,
  AtollError,
  HANDSHAKE_TIMEOUT_MS,
  invalid,
  isAtollError,
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
// First of the outer world: what it imports needs its polyfill.
import { abortConnection, type BoundListener, createNode, type Libp2pNode } from './libp2p-node.ts'
import { generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { Message } from '@libp2p/gossipsub'
import type { Connection, Ed25519PrivateKey, PeerId, Stream } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { multiaddr } from '@multiformats/multiaddr'
import { parseDialAddress, parseListenAddress } from './addresses.ts'
import { Libp2pByteStream } from './byte-stream.ts'
import { Dialler, SelfDialError } from './dialler.ts'
import { reasonOf, type Log, type TransportOptions, type Verdict } from './options.ts'
import { PeerConnections } from './peer-connections.ts'

type StreamHandler = (from: NodeId, stream: ByteStream) => Promise<void>
type BroadcastHandler = (from: NodeId, message: Uint8Array) => void

const SEED_BYTES = 32
const DISCONNECT_FOR_MS = 60_000
/** A node that cannot end its connections in peace within this time ends them otherwise. */
const STOP_TIMEOUT_MS = 3_000

/**
 * {@link Transport} over libp2p. A libp2p node cannot start twice, so each `start` makes one; identity, handlers, channel
 * and addresses are kept here and outlive it.
 */
export class Libp2pTransport implements Transport {
  readonly self: NodeId
  readonly #options: TransportOptions
  readonly #privateKey: Ed25519PrivateKey
  readonly #log: Log
  readonly #dialler: Dialler
  readonly #connections: PeerConnections
  /** Settles when it is known whether the other side takes the connection too. */
  readonly #agreements = new WeakMap<Connection, Promise<void>>()
  readonly #refusedUntilMs = new Map<NodeId, number>()
  readonly #handlerByProtocol = new Map<string, StreamHandler>()
  readonly #broadcastHandlers = new Set<BroadcastHandler>()
  readonly #peerHandlers = new Set<(event: PeerEvent) => void>()
  #channel: string | undefined
  /** For the next start. A free port that was found once is asked for again: others know it by now. */
  #listen: readonly string[]
  /** Set from before it starts until it has to stop. */
  #node: Libp2pNode | undefined
  /** Starts and stops happen one after the other. */
  #lifecycle: Promise<unknown> = Promise.resolve()

  /** @throws INVALID */
  static async create(options: TransportOptions): Promise<Libp2pTransport> {
    const { length } = options.privateKeySeed
    if (length !== SEED_BYTES) throw invalid('private key seed', `${length} bytes instead of ${SEED_BYTES}`)
    return new Libp2pTransport(options, await generateKeyPairFromSeed('Ed25519', options.privateKeySeed))
  }

  private constructor(options: TransportOptions, privateKey: Ed25519PrivateKey) {
    options.listen.forEach(parseListenAddress)
    this.#listen = options.listen
    this.#options = options
    this.#privateKey = privateKey
    this.#log = options.log ?? (() => undefined)
    this.self = parseNodeId(peerIdFromPrivateKey(privateKey).toString())
    this.#connections = new PeerConnections({
      connected: peer => this.#peerConnected(peer),
      disconnected: peer => this.#peerDisconnected(peer),
      reduced: connection => this.#node?.libp2p.services.gossip.resumeOn(connection),
    })
    const network = {
      self: this.self,
      dial: async (address: string) => this.#dial(address),
      isConnected: (peer: NodeId) => this.#connections.has(peer),
      refusedForMs: (peer: NodeId) => this.#refusedForMs(peer),
    }
    this.#dialler = new Dialler(
      network,
      options.bootstrap.map(parseDialAddress),
      this.#log,
      options.random ?? Math.random,
    )
  }

  async start(): Promise<void> {
    return this.#next(async () => {
      if (this.#node !== undefined) return
      try {
        await this.#startOn(this.#listen)
      } catch (error) {
        // Somebody else may have a port by now that was ours by chance.
        if (!isAtollError(error, 'ADDRESS_IN_USE') || this.#listen === this.#options.listen) throw error
        await this.#startOn(this.#options.listen)
      }
    })
  }

  /** @throws ADDRESS_IN_USE */
  async #startOn(listen: readonly string[]): Promise<void> {
    const node = await createNode({
      privateKey: this.#privateKey,
      listen,
      agent: this.#options.agent ?? 'atoll',
      denies: peer => this.#denies(peer),
    })
    const { libp2p } = node
    this.#node = node
    libp2p.addEventListener('connection:open', ({ detail }) => this.#opened(node, detail))
    libp2p.addEventListener('connection:close', ({ detail }) => this.#connections.closed(detail))
    libp2p.services.gossip.addEventListener('message', ({ detail }) => this.#received(detail))
    for (const protocol of this.#handlerByProtocol.keys()) this.#answer(node, protocol)
    try {
      await libp2p.start()
    } catch (error) {
      this.#node = undefined
      throw this.#startFailure(node, error)
    }
    this.#listen = withPorts(listen, node.listeners)
    if (this.#channel !== undefined) this.#subscribe(node, this.#channel)
    this.#dialler.start()
  }

  async stop(): Promise<void> {
    return this.#next(async () => {
      const node = this.#node
      if (node === undefined) return
      this.#node = undefined
      this.#dialler.stop()
      await this.#stopNode(node)
      this.#connections.clear()
    })
  }

  addresses(): string[] {
    const listening = this.#node?.listeners.flatMap(({ listener }) => listener.getAddrs()) ?? []
    return [...new Set(listening.map(address => `${address.toString()}/p2p/${this.self}`))]
  }

  peers(): TransportPeer[] {
    return this.#connections.peers()
  }

  bootstraps(): BootstrapState[] {
    return this.#dialler.states()
  }

  remember(addresses: readonly string[]): void {
    for (const address of addresses) {
      try {
        this.#dialler.remember(parseDialAddress(address))
      } catch (error) {
        this.#log('warn', 'address not remembered', { address, error: reasonOf(error) })
      }
    }
  }

  joinChannel(name: string): void {
    if (this.#channel === name) return
    const node = this.#running()
    if (node !== undefined && this.#channel !== undefined) node.libp2p.services.gossip.unsubscribe(this.#channel)
    this.#channel = name
    if (node !== undefined) this.#subscribe(node, name)
  }

  async broadcast(message: Uint8Array): Promise<void> {
    if (message.length > MAX_GLOB_MESSAGE_BYTES)
      throw new AtollError('TOO_LARGE', `broadcast: ${message.length} bytes, at most ${MAX_GLOB_MESSAGE_BYTES}`, {
        what: 'broadcast',
        limit: MAX_GLOB_MESSAGE_BYTES,
        actual: message.length,
      })
    const node = this.#running()
    if (node === undefined || this.#channel === undefined) return
    try {
      await node.libp2p.services.gossip.publish(this.#channel, message)
    } catch (error) {
      this.#log('warn', 'broadcast not sent', { error: reasonOf(error) })
    }
  }

  onBroadcast(handler: BroadcastHandler): () => void {
    return addTo(this.#broadcastHandlers, handler)
  }

  onPeer(handler: (event: PeerEvent) => void): () => void {
    return addTo(this.#peerHandlers, handler)
  }

  handle(protocol: string, handler: StreamHandler): () => void {
    assert(!this.#handlerByProtocol.has(protocol), `${protocol} is handled once`)
    this.#handlerByProtocol.set(protocol, handler)
    if (this.#node !== undefined) this.#answer(this.#node, protocol)
    return () => {
      if (this.#handlerByProtocol.get(protocol) !== handler) return
      this.#handlerByProtocol.delete(protocol)
      this.#node?.libp2p.unhandle(protocol).catch((error: unknown) => this.#bug('protocol not withdrawn', error))
    }
  }

  async openStream(peer: NodeId, protocol: string, options: { signal?: AbortSignal } = {}): Promise<ByteStream> {
    const { signal } = options
    const what = `stream ${protocol} to ${peer}`
    const aborted = () => new AtollError('ABORTED', `${what}: aborted`, { what }, { cause: signal?.reason })
    const isAborted = () => signal?.aborted === true
    if (isAborted()) throw aborted()
    const connection = this.#node === undefined ? undefined : this.#connections.open(peer)
    if (connection === undefined) throw unavailable(what, 'not connected')
    if (openStreams(connection, protocol) >= MAX_STREAMS_PER_PROTOCOL) throw unavailable(what, 'too many streams')
    const limit = new AbortController()
    // libp2p waits for several things at once with it.
    setMaxListeners(0, limit.signal)
    const timer = setTimeout(() => limit.abort(), HANDSHAKE_TIMEOUT_MS)
    const forward = () => limit.abort()
    signal?.addEventListener('abort', forward)
    try {
      const stream = await connection.newStream([protocol], {
        signal: limit.signal,
        maxOutboundStreams: MAX_STREAMS_PER_PROTOCOL,
      })
      return new Libp2pByteStream(stream, peer)
    } catch (error) {
      if (isAborted()) throw aborted()
      if (limit.signal.aborted)
        throw new AtollError(
          'TIMEOUT',
          `${what}: no answer`,
          { what, timeoutMs: HANDSHAKE_TIMEOUT_MS },
          { cause: error },
        )
      if (error instanceof Error && error.name === 'UnsupportedProtocolError')
        throw new AtollError('UNSUPPORTED', `${what}: the peer does not speak it`, { what }, { cause: error })
      throw unavailable(what, reasonOf(error), error)
    } finally {
      clearTimeout(timer)
      signal?.removeEventListener('abort', forward)
    }
  }

  async disconnect(peer: NodeId, options: { forMs?: number } = {}): Promise<void> {
    const now = performance.now()
    for (const [other, untilMs] of this.#refusedUntilMs) if (untilMs <= now) this.#refusedUntilMs.delete(other)
    this.#refusedUntilMs.set(peer, now + (options.forMs ?? DISCONNECT_FOR_MS))
    await Promise.all(
      this.#connections.of(peer).map(async connection => {
        try {
          await connection.close()
        } catch (error) {
          abortConnection(connection, `not closed in time: ${reasonOf(error)}`)
        }
      }),
    )
  }

  // --- Life ---------------------------------------------------------------------------------------------------------

  async #next(action: () => Promise<void>): Promise<void> {
    const done = this.#lifecycle.then(action)
    this.#lifecycle = done.catch(() => undefined)
    return done
  }

  #running(): Libp2pNode | undefined {
    return this.#node?.libp2p.status === 'started' ? this.#node : undefined
  }

  #startFailure({ listenFailures }: Libp2pNode, error: unknown): unknown {
    const failure = listenFailures[0]
    if (failure === undefined) return error
    const { address, cause } = failure
    return new AtollError('ADDRESS_IN_USE', `cannot listen on ${address}: ${reasonOf(cause)}`, { address }, { cause })
  }

  async #stopNode({ libp2p }: Libp2pNode): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined
    const late = new Promise<void>(resolve => (timer = setTimeout(resolve, STOP_TIMEOUT_MS)))
    const stopped = Promise.resolve(libp2p.stop()).catch((error: unknown) =>
      this.#bug('libp2p did not stop well', error),
    )
    await Promise.race([stopped, late])
    clearTimeout(timer)
    for (const connection of libp2p.getConnections()) abortConnection(connection, 'the node stops')
  }

  // --- Peers --------------------------------------------------------------------------------------------------------

  async #dial(address: string): Promise<NodeId> {
    const node = this.#running()
    if (node === undefined) throw unavailable(address, 'stopped')
    try {
      const connection = await node.libp2p.dial(multiaddr(address))
      await this.#agreements.get(connection)
      return parseNodeId(connection.remotePeer.toString())
    } catch (error) {
      if (error instanceof Error && error.name === 'InvalidPeerIdError')
        throw new SelfDialError(address, { cause: error })
      throw error
    }
  }

  /**
   * A dialler is done with the handshake before the other side is, which may yet refuse: only its first answer tells. That
   * answer is identify's, which gossipsub waits for as well.
   */
  #opened({ libp2p }: Libp2pNode, connection: Connection): void {
    if (connection.direction === 'inbound') this.#connections.opened(connection)
    const agreement = libp2p.services.identify.identify(connection).then(
      () => this.#connections.opened(connection),
      (error: unknown) => {
        abortConnection(connection, 'not identified')
        throw new Error(`the peer ended the handshake: ${reasonOf(error)}`, { cause: error })
      },
    )
    this.#agreements.set(connection, agreement)
    agreement.catch((error: unknown) => this.#log('debug', 'connection failed', { error: reasonOf(error) }))
  }

  #denies(peer: PeerId): boolean {
    // Atoll's nodes have Ed25519 keys; a stranger with another kind is no node.
    if (peer.type !== 'Ed25519') return true
    return this.#refusedForMs(parseNodeId(peer.toString())) > 0
  }

  #refusedForMs(peer: NodeId): number {
    return Math.max(0, (this.#refusedUntilMs.get(peer) ?? 0) - performance.now())
  }

  #peerConnected(peer: NodeId): void {
    this.#dialler.connected(peer)
    this.#tellPeerHandlers({ type: 'connected', peer })
  }

  #peerDisconnected(peer: NodeId): void {
    this.#dialler.disconnected(peer)
    this.#tellPeerHandlers({ type: 'disconnected', peer })
  }

  #tellPeerHandlers(event: PeerEvent): void {
    this.#log('info', `peer ${event.type}`, { peer: event.peer })
    for (const handler of [...this.#peerHandlers]) this.#guard(() => handler(event))
  }

  // --- Streams ------------------------------------------------------------------------------------------------------

  #answer({ libp2p }: Libp2pNode, protocol: string): void {
    const limits = { maxInboundStreams: MAX_STREAMS_PER_PROTOCOL, maxOutboundStreams: MAX_STREAMS_PER_PROTOCOL }
    const accept = (stream: Stream, connection: Connection) => void this.#accept(protocol, stream, connection)
    libp2p.handle(protocol, accept, limits).catch((error: unknown) => this.#bug('protocol not announced', error))
  }

  async #accept(protocol: string, stream: Stream, connection: Connection): Promise<void> {
    // Somebody who opens a stream has taken the connection.
    this.#connections.opened(connection)
    const from = parseNodeId(connection.remotePeer.toString())
    const bytes = new Libp2pByteStream(stream, from)
    try {
      const handler = this.#handlerByProtocol.get(protocol)
      if (handler === undefined)
        throw new AtollError('UNSUPPORTED', `${protocol} is no longer answered`, { what: protocol })
      await handler(from, bytes)
    } catch (error) {
      this.#log('warn', 'stream failed', { protocol, peer: from, error: reasonOf(error) })
      bytes.abort(error instanceof Error ? error : new Error(String(error)))
    }
  }

  // --- Broadcasts ---------------------------------------------------------------------------------------------------

  #subscribe({ libp2p }: Libp2pNode, channel: string): void {
    const { gossip } = libp2p.services
    gossip.judge(channel, message => this.#judge(message))
    gossip.subscribe(channel)
  }

  #judge(message: Message): Verdict {
    if (message.type !== 'signed' || message.from.type !== 'Ed25519') return 'reject'
    if (message.data.length > MAX_GLOB_MESSAGE_BYTES) return 'reject'
    const from = parseNodeId(message.from.toString())
    // An echo of what we said before a restart.
    if (from === this.self) return 'ignore'
    try {
      return this.#options.validate?.(from, message.data) ?? 'accept'
    } catch (error) {
      this.#bug('the validator of broadcasts failed', error)
      return 'ignore'
    }
  }

  #received(message: Message): void {
    if (message.type !== 'signed' || message.topic !== this.#channel) return
    const from = parseNodeId(message.from.toString())
    for (const handler of [...this.#broadcastHandlers]) this.#guard(() => handler(from, message.data))
  }

  // --- Failures of others -------------------------------------------------------------------------------------------

  #guard(action: () => void): void {
    try {
      action()
    } catch (error) {
      this.#bug('a handler failed', error)
    }
  }

  #bug(message: string, error: unknown): void {
    this.#log('error', message, { error: reasonOf(error) })
  }
}

/** The addresses with the ports that were found where any free one would do. */
function withPorts(listen: readonly string[], listeners: readonly BoundListener[]): string[] {
  const left = [...listeners]
  return listen.map(text => {
    const address = multiaddr(text).toString()
    const [, anyPort] = /^(.*\/tcp\/)0$/.exec(address) ?? []
    const index = left.findIndex(bound => bound.address === address)
    if (anyPort === undefined || index < 0) return text
    const [bound] = left.splice(index, 1)
    const [, port] = /\/tcp\/(\d+)$/.exec(String(bound?.listener.getAddrs()[0])) ?? []
    return port === undefined ? text : anyPort + port
  })
}

function addTo<T>(set: Set<T>, item: T): () => void {
  set.add(item)
  return () => void set.delete(item)
}

/** Streams of a protocol that we opened on a connection. */
function openStreams({ streams }: Connection, protocol: string): number {
  return streams.filter(stream => stream.protocol === protocol && stream.direction === 'outbound').length
}

function unavailable(what: string, reason: string, cause?: unknown): AtollError<'UNAVAILABLE'> {
  return new AtollError('UNAVAILABLE', `${what}: ${reason}`, { what, reason }, { cause })
}
