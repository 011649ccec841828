import { parseNodeId, type NodeId, type TransportPeer } from '@atolldb/core'
import type { Connection } from '@libp2p/interface'

export interface ConnectionEvents {
  /** The first connection to a peer opened. */
  connected(peer: NodeId): void
  /** The last connection to a peer ended. */
  disconnected(peer: NodeId): void
  /** One of several connections to a peer ended; this one is left. */
  reduced(connection: Connection): void
}

/**
 * The open connections by peer. There are two when both sides dialled at once: both are kept, since ending one would tear
 * down what has just begun on it.
 */
export class PeerConnections {
  readonly #connectionsByPeer = new Map<NodeId, Connection[]>()
  readonly #events: ConnectionEvents

  constructor(events: ConnectionEvents) {
    this.#events = events
  }

  has(peer: NodeId): boolean {
    return this.#connectionsByPeer.has(peer)
  }

  of(peer: NodeId): Connection[] {
    return [...(this.#connectionsByPeer.get(peer) ?? [])]
  }

  /** One on which streams can be opened. */
  open(peer: NodeId): Connection | undefined {
    return this.#connectionsByPeer.get(peer)?.find(connection => connection.status === 'open')
  }

  peers(): TransportPeer[] {
    const peers: TransportPeer[] = []
    for (const [id, [connection]] of this.#connectionsByPeer)
      if (connection !== undefined) peers.push({ id, address: connection.remoteAddr.toString() })
    return peers
  }

  /** To be called when streams work on it; more than once does no harm. */
  opened(connection: Connection): void {
    // Its end may have come first, and will not be told again.
    if (connection.status !== 'open') return
    const peer = parseNodeId(connection.remotePeer.toString())
    const others = this.#connectionsByPeer.get(peer)
    if (others !== undefined) {
      if (!others.includes(connection)) others.push(connection)
      return
    }
    this.#connectionsByPeer.set(peer, [connection])
    this.#events.connected(peer)
  }

  closed(connection: Connection): void {
    const peer = parseNodeId(connection.remotePeer.toString())
    const connections = this.#connectionsByPeer.get(peer)
    const index = connections?.indexOf(connection) ?? -1
    if (connections === undefined || index < 0) return
    connections.splice(index, 1)
    const [left] = connections
    if (left !== undefined) return this.#events.reduced(left)
    this.#connectionsByPeer.delete(peer)
    this.#events.disconnected(peer)
  }

  /** Forgets all, as if each had ended. */
  clear(): void {
    for (const peer of [...this.#connectionsByPeer.keys()]) {
      this.#connectionsByPeer.delete(peer)
      this.#events.disconnected(peer)
    }
  }
}
