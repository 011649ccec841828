import type { CollectionKind, CommitId, NodeId } from '@atolldb/core'

/**
 * `synced`: every connected peer holds our `main`, and nothing is pending. `syncing`: it is on its way. `alone`: nobody is
 * connected. `offline`: by the operator's wish. `degraded`: something needs a person (`reason`, `next`).
 */
export type SyncState = 'synced' | 'syncing' | 'alone' | 'offline' | 'degraded'

export interface CollectionInfo {
  readonly name: string
  readonly kind: CollectionKind
  readonly records: number
}

export interface PeerStatus {
  readonly id: NodeId | undefined
  readonly name: string | undefined
  readonly address: string
  readonly connected: boolean
  readonly main: CommitId | undefined
  /** Heads it told us of that we do not hold yet. */
  readonly behind: number
  /** When its heads were last compared with ours; ISO 8601. */
  readonly lastSync: string | undefined
  /** Why it is not connected, or what was refused from it. */
  readonly error: string | undefined
}

/** `atoll status --json`. */
export interface Status {
  readonly schema: 'atoll/status/v1'
  readonly node: NodeId
  readonly name: string
  readonly cluster: CommitId | undefined
  readonly main: CommitId | undefined
  readonly heads: readonly CommitId[]
  readonly collections: readonly CollectionInfo[]
  /** Changes acknowledged but not yet sealed into a commit. */
  readonly pending: number
  /** Commits held back because their clock is ahead of ours. */
  readonly held: number
  readonly conflicts: number
  readonly peers: readonly PeerStatus[]
  readonly addresses: readonly string[]
  readonly state: SyncState
  readonly reason: string | undefined
  readonly next: string | undefined
}
