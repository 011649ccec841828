import {
  type CommitId,
  decodeConflictEntry,
  isAtollError,
  isConflictCollection,
  isReservedCollection,
} from '@atolldb/core'
import type { FileDamage } from '@atolldb/git'
import type { CollectionInfo, Status } from './api/status.ts'
import type { RecordStore } from './engine/record-store.ts'
import type { Replicator } from './replication/replicator.ts'

/** What status is made of. */
export interface StatusParts {
  readonly isOffline: () => boolean
  readonly hasNetwork: boolean
  readonly main: () => CommitId | undefined
  readonly store: RecordStore
  readonly replicator: Replicator | undefined
  /** Why writes are refused, if they are. */
  readonly storageFailure: () => Error | undefined
  /** Packs that were found damaged since the node was opened. */
  readonly damagedPacks: () => readonly FileDamage[]
  /** Why what is pending cannot be sealed now, if so. */
  readonly sealObstacle: () => Error | undefined
  readonly clockIsTrusted: () => boolean
}

/** The users' collections: not Atoll's own. */
export async function userCollections(store: RecordStore): Promise<CollectionInfo[]> {
  const all = await store.collections()
  return all
    .filter(({ collection }) => !isReservedCollection(collection))
    .map(({ kind, collection, records }) => ({ name: collection, kind, records }))
    .toSorted((a, b) => (a.name < b.name || (a.name === b.name && a.kind < b.kind) ? -1 : 1))
}

export interface ViewCounts {
  readonly collections: readonly CollectionInfo[]
  readonly conflicts: number
  /** Why they could not be counted: a full disk, say, that keeps the view from being made anew. */
  readonly failure: Error | undefined
}

/** Status is asked for most when something is wrong: it does not fail with it. @throws CLOSED */
export async function readCounts(store: RecordStore): Promise<ViewCounts> {
  try {
    return { collections: await userCollections(store), conflicts: await countContested(store), failure: undefined }
  } catch (error) {
    if (!isAtollError(error) || error.code === 'CLOSED') throw error
    return { collections: [], conflicts: 0, failure: error }
  }
}

/** Records in conflict where something that someone wrote had to give way. */
async function countContested(store: RecordStore): Promise<number> {
  let contested = 0
  for (const { kind, collection } of await store.collections()) {
    if (!isConflictCollection(collection)) continue
    for await (const [, { bytes }] of store.range(kind, collection, {}))
      if (decodeConflictEntry(bytes).contested) contested++
  }
  return contested
}

const ASK_DOCTOR = 'atoll down, then atoll doctor, which says what mends it'

type StateWords = Pick<Status, 'state' | 'reason' | 'next'>

/** Am I in sync, and if not, why, and what helps? */
export function describeState(parts: StatusParts, viewFailure: Error | undefined): StateWords {
  const { replicator, store } = parts
  const failure = parts.storageFailure()
  if (failure !== undefined)
    return { state: 'degraded', reason: failure.message, next: 'mend the disk, then restart the node' }
  if (viewFailure !== undefined)
    return { state: 'degraded', reason: viewFailure.message, next: 'make room or mend the disk; it goes on by itself' }
  const [damage] = parts.damagedPacks()
  if (damage !== undefined)
    return {
      state: 'degraded',
      reason: `${damage.file}: ${damage.reason}`,
      next: ASK_DOCTOR,
    }
  const unsealed = describeUnsealed(store, parts.sealObstacle())
  if (unsealed !== undefined) return unsealed
  if (!parts.clockIsTrusted())
    return {
      state: 'degraded',
      reason: 'the wall clock is behind what this node has already seen',
      next: "set this machine's clock; if it is right now and was ahead before: atoll down, then atoll doctor --reclock",
    }
  if (parts.isOffline()) return { state: 'offline', reason: 'taken offline by its operator', next: 'atoll online' }
  if (!parts.hasNetwork || replicator === undefined)
    return { state: 'alone', reason: 'opened without a network', next: 'atoll up --listen … or --bootstrap …' }
  const peers = replicator.peers()
  const connected = peers.filter(peer => peer.connected)
  if (connected.length === 0) return alone(peers.find(peer => peer.error !== undefined))
  const refused = connected.find(peer => peer.error?.startsWith('refused') === true)
  if (refused !== undefined)
    return {
      state: 'degraded',
      reason: `what ${refused.name ?? refused.id} sends is refused: ${refused.error}`,
      next: 'atoll peers',
    }
  const main = parts.main()
  const behind = connected.filter(peer => peer.main !== main)
  if (main === undefined) return { state: 'syncing', reason: 'meeting its cluster', next: undefined }
  if (behind.length > 0 || store.pendingChanges > 0)
    return { state: 'syncing', reason: syncingReason(behind.length, store.pendingChanges), next: 'atoll sync' }
  return { state: 'synced', reason: undefined, next: undefined }
}

/** That a cluster was not met yet matters to nobody before there is no room for more writes. */
function describeUnsealed(store: RecordStore, obstacle: Error | undefined): StateWords | undefined {
  if (obstacle === undefined) return undefined
  const isAlone = isAtollError(obstacle, 'NO_CLUSTER')
  if (isAlone && !store.isFull) return undefined
  const full = store.isFull ? 'no room for more writes: ' : ''
  return {
    state: 'degraded',
    reason: `${full}what is pending cannot be sealed: ${obstacle.message}`,
    next: nextAfter(obstacle),
  }
}

function nextAfter(obstacle: Error): string {
  if (isAtollError(obstacle, 'NO_CLUSTER')) return 'let it reach a member of its cluster: atoll peers'
  if (isAtollError(obstacle, 'CORRUPT')) return ASK_DOCTOR
  return 'make room or mend the disk; it goes on by itself'
}

function alone(failing: Status['peers'][number] | undefined): StateWords {
  const reason = failing === undefined ? 'no peer is connected' : `${failing.address || failing.id}: ${failing.error}`
  return { state: 'alone', reason, next: 'it keeps trying; check the address with: atoll peers' }
}

function syncingReason(behind: number, pending: number): string {
  const parts: string[] = []
  if (behind > 0) parts.push(`${behind} connected ${behind === 1 ? 'peer holds' : 'peers hold'} another main`)
  if (pending > 0) parts.push(`${pending} ${pending === 1 ? 'change waits' : 'changes wait'} to be sealed`)
  return parts.join('; ')
}
