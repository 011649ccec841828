import type { NodeId } from '../ids.ts'

/**
 * The network as Atoll sees it: peers with authenticated ids, one broadcast channel per cluster (best effort: messages are
 * lost, doubled and reordered) and direct byte streams. Implemented over libp2p by `@atolldb/glob` and in memory by the
 * testkit; one contract suite (testkit) holds both to this.
 */
export interface Transport {
  readonly self: NodeId
  /** Listens and starts dialling the bootstrap addresses, again and again with back-off. @throws ADDRESS_IN_USE, INVALID */
  start(): Promise<void>
  /** Ends listening, connections and timers. Idempotent; `start` may follow. */
  stop(): Promise<void>
  /** Multiaddrs others can dial, with our peer id; empty while stopped. */
  addresses(): string[]
  /** Connected peers. */
  peers(): TransportPeer[]
  /** What became of each configured bootstrap address: for status. */
  bootstraps(): BootstrapState[]
  /** Peers to keep dialling for ever, beside the bootstrap addresses. */
  remember(addresses: readonly string[]): void
  /** Joins the broadcast channel of that name, leaving any other. */
  joinChannel(name: string): void
  /** Hands a message to the channel; resolves when it was sent to those peers that are there, and never rejects for want of them. */
  broadcast(message: Uint8Array): Promise<void>
  /** Called for each message of another node. Returns the undo. */
  onBroadcast(handler: (from: NodeId, message: Uint8Array) => void): () => void
  /** Called when a peer becomes reachable by direct streams, and when its last connection ends. Returns the undo. */
  onPeer(handler: (event: PeerEvent) => void): () => void
  /** Answers streams of a protocol. The handler owns the stream; a rejection aborts it. Returns the undo. */
  handle(protocol: string, handler: (from: NodeId, stream: ByteStream) => Promise<void>): () => void
  /** @throws UNAVAILABLE (not connected), UNSUPPORTED (the peer does not speak it), TIMEOUT, ABORTED */
  openStream(peer: NodeId, protocol: string, options?: { signal?: AbortSignal }): Promise<ByteStream>
  /** Closes every connection to the peer, and neither dials nor lets it in for a while (a minute by default). */
  disconnect(peer: NodeId, options?: { forMs?: number }): Promise<void>
}

export interface TransportPeer {
  readonly id: NodeId
  readonly address: string
}

export interface BootstrapState {
  readonly address: string
  readonly connected: boolean
  /** Why the last dial failed. */
  readonly error?: string
}

export type PeerEvent =
  { readonly type: 'connected'; readonly peer: NodeId } | { readonly type: 'disconnected'; readonly peer: NodeId }

/**
 * A bidirectional byte stream with back-pressure, in the shape that `it-pipe` composes: `source` yields what arrives and
 * ends when the other side is done writing; `sink` takes what is to be sent, ends our writing when its source ends, and
 * resolves when all was handed over. Chunk borders mean nothing.
 */
export interface ByteStream {
  readonly source: AsyncIterable<Uint8Array>
  sink(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>
  /** Ends both directions at once; pending reads and writes reject. */
  abort(reason: Error): void
}
