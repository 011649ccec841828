import type { CommitId, NodeId } from '../ids.ts'

/**
 * Decides what to fetch from whom. Sans-I/O: `step(state, event)` changes the state and returns the effects to perform; the
 * driver asks the store which heads are unknown and performs the fetches.
 *
 * Rules: one fetch per peer at a time, a want from one peer at a time, another peer when the first fails; a peer that failed
 * is left alone for a while, longer each time, and far longer when what it sent was refused.
 */

const RETRY_MS = 1_000
const MAX_RETRY_MS = 60_000
const REFUSED_RETRY_MS = 5 * 60_000

export interface SyncPeer {
  /** Its heads that we lack, as last told. */
  unknown: Set<CommitId>
  fetching: readonly CommitId[]
  failures: number
  /** Not asked before this moment of the monotonic clock. */
  waitUntilMs: number
}

export interface SyncState {
  readonly peers: Map<NodeId, SyncPeer>
}

export type SyncEvent =
  | { readonly type: 'peer-connected'; readonly peer: NodeId }
  | { readonly type: 'peer-gone'; readonly peer: NodeId }
  /** A peer told its heads; `unknown` are those that we lack. */
  | { readonly type: 'heads-told'; readonly peer: NodeId; readonly unknown: readonly CommitId[] }
  /** We hold these now, from whomever. */
  | { readonly type: 'adopted'; readonly heads: readonly CommitId[] }
  | { readonly type: 'fetch-ended'; readonly peer: NodeId; readonly outcome: 'done' | 'failed' | 'refused' }
  | { readonly type: 'timer' }

export type SyncEffect =
  | { readonly type: 'fetch'; readonly peer: NodeId; readonly wants: readonly CommitId[] }
  /** Ask a peer for its heads again: what it told may be out of date. */
  | { readonly type: 'ask-heads'; readonly peer: NodeId }
  | { readonly type: 'wake'; readonly atMs: number }

export function newSyncState(): SyncState {
  return { peers: new Map() }
}

/** Takes one event at this moment of the monotonic clock. */
export function step(state: SyncState, event: SyncEvent, nowMs: number): SyncEffect[] {
  const effects: SyncEffect[] = []
  switch (event.type) {
    case 'peer-connected':
      state.peers.set(event.peer, { unknown: new Set(), fetching: [], failures: 0, waitUntilMs: 0 })
      effects.push({ type: 'ask-heads', peer: event.peer })
      break
    case 'peer-gone':
      state.peers.delete(event.peer)
      break
    case 'heads-told': {
      const peer = state.peers.get(event.peer)
      if (peer !== undefined) peer.unknown = new Set(event.unknown)
      break
    }
    case 'adopted':
      for (const peer of state.peers.values()) for (const head of event.heads) peer.unknown.delete(head)
      break
    case 'fetch-ended':
      effects.push(...fetchEnded(state, event.peer, event.outcome, nowMs))
      break
    case 'timer':
      break
  }
  return [...effects, ...nextFetches(state, nowMs)]
}

function fetchEnded(state: SyncState, id: NodeId, outcome: 'done' | 'failed' | 'refused', nowMs: number): SyncEffect[] {
  const peer = state.peers.get(id)
  if (peer === undefined) return []
  peer.fetching = []
  if (outcome === 'done') {
    peer.failures = 0
    // What is still unknown after a whole answer is out of date, or held back.
    if (peer.unknown.size === 0) return []
    peer.unknown.clear()
    return [{ type: 'ask-heads', peer: id }]
  }
  peer.failures++
  const base = outcome === 'refused' ? REFUSED_RETRY_MS : RETRY_MS
  const waitMs = Math.min(base * 2 ** (peer.failures - 1), Math.max(base, MAX_RETRY_MS))
  peer.waitUntilMs = nowMs + waitMs
  return []
}

function nextFetches(state: SyncState, nowMs: number): SyncEffect[] {
  const effects: SyncEffect[] = []
  const underWay = new Set<CommitId>()
  for (const peer of state.peers.values()) for (const want of peer.fetching) underWay.add(want)
  let wakeMs = Infinity
  for (const [id, peer] of state.peers) {
    if (peer.fetching.length > 0) continue
    const wants = [...peer.unknown].filter(head => !underWay.has(head))
    if (wants.length === 0) continue
    if (peer.waitUntilMs > nowMs) {
      wakeMs = Math.min(wakeMs, peer.waitUntilMs)
      continue
    }
    peer.fetching = wants
    for (const want of wants) underWay.add(want)
    effects.push({ type: 'fetch', peer: id, wants })
  }
  if (wakeMs !== Infinity) effects.push({ type: 'wake', atMs: wakeMs })
  return effects
}
