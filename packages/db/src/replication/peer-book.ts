import { type CommitId, type Heard, type NodeId, nothingHeard, type Transport } from '@atolldb/core'
import type { PeerStatus } from '../api/status.ts'

/** What a peer told us, and how talking to it went. What it says of itself is for status only. */
export interface PeerRecord {
  name: string | undefined
  /** As it said last. */
  main: CommitId | undefined
  /** It has answered since then: the moment of the monotonic clock at which it was last asked. */
  askedMs: number
  unknown: number
  lastSyncMs: number | undefined
  /** Why talking to it failed, last. */
  error: string | undefined
  /** Why what it sent, or did not send, was no good; stands until something good comes. */
  fetchError: string | undefined
  /** Where it listens, as it says. */
  addresses: readonly string[]
  /** Heads that it told of and that we hold too: ground for fetches. */
  shared: readonly CommitId[]
  readonly heard: Heard
}

const MAX_RECORDS = 1_024

/** What is known of the peers of this run: of the connected ones, and of so many others that a flood of names costs little. */
export class PeerBook {
  readonly #transport: Transport
  readonly #recordById = new Map<NodeId, PeerRecord>()

  constructor(transport: Transport) {
    this.#transport = transport
  }

  of(peer: NodeId): PeerRecord {
    let record = this.#recordById.get(peer)
    if (record === undefined) {
      record = newRecord()
      if (this.#recordById.size >= MAX_RECORDS) this.#forgetOne()
      this.#recordById.set(peer, record)
    }
    return record
  }

  /** The one longest known that is not connected. */
  #forgetOne(): void {
    const connected = new Set(this.#transport.peers().map(peer => peer.id))
    for (const id of this.#recordById.keys())
      if (!connected.has(id)) {
        this.#recordById.delete(id)
        return
      }
  }

  /** The connected peers whose last word is that `main`, given when asked at that moment of the monotonic clock or later. */
  holders(main: CommitId, sinceMs: number): NodeId[] {
    const connected = this.#transport.peers().map(({ id }) => id)
    return connected.filter(id => {
      const record = this.#recordById.get(id)
      return record?.main === main && record.askedMs >= sinceMs
    })
  }

  /** Peers as status shows them: the connected ones, those met before, and bootstrap addresses that do not answer. */
  status(): PeerStatus[] {
    const connected = new Map(this.#transport.peers().map(peer => [peer.id, peer.address]))
    const peers: PeerStatus[] = []
    for (const id of new Set([...connected.keys(), ...this.#recordById.keys()])) {
      const record = this.#recordById.get(id) ?? newRecord()
      peers.push({
        id,
        name: record.name,
        address: connected.get(id) ?? '',
        connected: connected.has(id),
        main: record.main,
        behind: record.unknown,
        lastSync: record.lastSyncMs === undefined ? undefined : new Date(record.lastSyncMs).toISOString(),
        error: record.fetchError ?? record.error,
      })
    }
    for (const { address, connected: isConnected, error } of this.#transport.bootstraps())
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

function newRecord(): PeerRecord {
  return {
    name: undefined,
    main: undefined,
    askedMs: -Infinity,
    unknown: 0,
    lastSyncMs: undefined,
    error: undefined,
    fetchError: undefined,
    addresses: [],
    shared: [],
    heard: nothingHeard(),
  }
}
