import type { CommitId, NodeId, Transport } from '@atolldb/core'
import type { PeerStatus } from '../api/status.ts'

/** What a peer told us, and how talking to it went. */
export interface PeerRecord {
  name: string | undefined
  main: CommitId | undefined
  unknown: number
  lastSyncMs: number | undefined
  error: string | undefined
  /** Where it listens, as it says. */
  addresses: readonly string[]
  /** Of its newest glob message; older ones are replays. */
  sequence: readonly [incarnation: number, counter: number]
}

/** What is known of the peers of this run. */
export class PeerBook {
  readonly #recordById = new Map<NodeId, PeerRecord>()

  of(peer: NodeId): PeerRecord {
    let record = this.#recordById.get(peer)
    if (record === undefined) {
      record = {
        name: undefined,
        main: undefined,
        unknown: 0,
        lastSyncMs: undefined,
        error: undefined,
        addresses: [],
        sequence: [0, 0],
      }
      this.#recordById.set(peer, record)
    }
    return record
  }

  /** Peers as status shows them: the connected ones, those met before, and bootstrap addresses that do not answer. */
  status(transport: Transport): PeerStatus[] {
    const connected = new Map(transport.peers().map(peer => [peer.id, peer.address]))
    const peers: PeerStatus[] = []
    for (const id of new Set([...connected.keys(), ...this.#recordById.keys()])) {
      const record = this.of(id)
      peers.push({
        id,
        name: record.name,
        address: connected.get(id) ?? '',
        connected: connected.has(id),
        main: record.main,
        behind: record.unknown,
        lastSync: record.lastSyncMs === undefined ? undefined : new Date(record.lastSyncMs).toISOString(),
        error: record.error,
      })
    }
    for (const { address, connected: isConnected, error } of transport.bootstraps())
      if (!isConnected)
        peers.push({
          id: undefined,
          name: undefined,
          address,
          connected: false,
          main: undefined,
          behind: 0,
          lastSync: undefined,
          error: error ?? 'not connected yet',
        })
    return peers
  }
}
