import type { CommitId, NodeId } from '../ids.ts'
import { MAX_FETCH_WANTS } from '../limits.ts'

/**
 * Decides what to fetch from whom. Sans-I/O: `step(state, event)` changes the state and returns the effects to perform; the
 * driver asks the store which heads are unknown and performs the fetches.
 *
 * Rules: one fetch per peer at a time; a want from one peer at a time, unless that one has become slow; another peer when
 * one fails. A peer that fails, or does not deliver what it told of, is left alone for a while, longer each time, and far
 * longer when what it sent was refused. That outlives its connections, else a peer would be rid of it by dialling again.
 * A peer that names a `main` we do not know, without its heads, is asked for them if we have not come to it ourselves soon.
 */

const RETRY_MS = 1_000
const MAX_RETRY_MS = 60_000
const REFUSED_RETRY_MS = 5 * 60_000
const MAX_REFUSED_RETRY_MS = 60 * 60_000
/** After so long without progress, what is fetched from a peer may be asked of another one too. */
const SLOW_MS = 30_000
/** Heads of a `main` that was only named are on their way from others: they have so long to arrive. */
const ASK_AFTER_MS = 1_000
/** Peers that are gone and were at fault are remembered, so many at most. */
const MAX_GONE_PEERS = 1_024

export interface SyncPeer {
  isConnected: boolean
  /** Its heads that we lack, as last told. */
  unknown: Set<CommitId>
  fetch: SyncFetch | undefined
  /** Fetches in a row that did not bring what was wanted. */
  failures: number
  /** Of them those, in a row, whose bytes were refused. */
  refusals: number
  /** Nothing is fetched from it before this moment of the monotonic clock. */
  waitUntilMs: number
  /** The `main` that it named, which we do not know, and when it is asked for the heads of it. */
  named: { readonly main: CommitId; readonly askAtMs: number } | undefined
}

export interface SyncFetch {
  readonly number: number
  readonly wants: readonly CommitId[]
  /** When it last brought something. */
  progressMs: number
}

export interface SyncState {
  readonly peers: Map<NodeId, SyncPeer>
  fetches: number
}

/** `done`: the answer was complete, and brought what was wanted. `refused`: it brought what breaks a rule. */
export type FetchOutcome = 'done' | 'failed' | 'refused'

export type SyncEvent =
  | { readonly type: 'peer-connected'; readonly peer: NodeId }
  | { readonly type: 'peer-gone'; readonly peer: NodeId }
  /** A peer told its heads; `unknown` are those that we lack. */
  | { readonly type: 'heads-told'; readonly peer: NodeId; readonly unknown: readonly CommitId[] }
  /** A peer named its `main` without telling the heads of it, and we do not know that one. */
  | { readonly type: 'main-named'; readonly peer: NodeId; readonly main: CommitId }
  /** Ours is this one now. */
  | { readonly type: 'main-moved'; readonly main: CommitId }
  /** These are in our repository now, from whomever. */
  | { readonly type: 'arrived'; readonly commits: readonly CommitId[] }
  /** A fetch brought something new. */
  | { readonly type: 'fetch-progress'; readonly peer: NodeId; readonly fetch: number }
  | { readonly type: 'fetch-ended'; readonly peer: NodeId; readonly fetch: number; readonly outcome: FetchOutcome }
  | { readonly type: 'timer' }

export type SyncEffect =
  | { readonly type: 'fetch'; readonly peer: NodeId; readonly fetch: number; readonly wants: readonly CommitId[] }
  /** Ask a peer for its heads. */
  | { readonly type: 'ask-heads'; readonly peer: NodeId }
  /** Hand in a `timer` event at that moment of the monotonic clock; replaces the one before. */
  | { readonly type: 'wake'; readonly atMs: number }

export function newSyncState(): SyncState {
  return { peers: new Map(), fetches: 0 }
}

/** Is something being fetched? */
export function isFetching(state: SyncState): boolean {
  for (const peer of state.peers.values()) if (peer.fetch !== undefined) return true
  return false
}

/** All connections have ended, by our wish. Who was at fault is still remembered. */
export function disconnectAll(state: SyncState): void {
  for (const peer of [...state.peers.keys()]) peerGone(state, peer)
}

/** Takes one event at this moment of the monotonic clock. */
export function step(state: SyncState, event: SyncEvent, nowMs: number): SyncEffect[] {
  const effects: SyncEffect[] = []
  switch (event.type) {
    case 'peer-connected':
      peerConnected(state, event.peer)
      effects.push({ type: 'ask-heads', peer: event.peer })
      break
    case 'peer-gone':
      peerGone(state, event.peer)
      break
    case 'heads-told': {
      const peer = state.peers.get(event.peer)
      if (peer?.isConnected !== true) break
      peer.unknown = new Set(event.unknown)
      peer.named = undefined
      break
    }
    case 'main-named': {
      const peer = state.peers.get(event.peer)
      // Whoever names one after the other is asked no more often for it.
      if (peer?.isConnected === true)
        peer.named = { main: event.main, askAtMs: peer.named?.askAtMs ?? nowMs + ASK_AFTER_MS }
      break
    }
    case 'main-moved':
      for (const peer of state.peers.values()) if (peer.named?.main === event.main) peer.named = undefined
      break
    case 'arrived':
      for (const peer of state.peers.values()) for (const commit of event.commits) peer.unknown.delete(commit)
      break
    case 'fetch-progress': {
      const underWay = fetchOf(state, event)
      if (underWay !== undefined) underWay.progressMs = nowMs
      break
    }
    case 'fetch-ended':
      fetchEnded(state, event, nowMs)
      break
    case 'timer':
      break
  }
  const asks = nextAsks(state, nowMs)
  const fetches = nextFetches(state, nowMs)
  const wakeMs = Math.min(asks.wakeMs, fetches.wakeMs)
  effects.push(...asks.effects, ...fetches.effects)
  if (wakeMs !== Infinity) effects.push({ type: 'wake', atMs: wakeMs })
  return effects
}

/** What is to be done now, and when to look again. */
interface Next {
  readonly effects: readonly SyncEffect[]
  readonly wakeMs: number
}

function peerConnected(state: SyncState, id: NodeId): void {
  const { failures, refusals, waitUntilMs } = state.peers.get(id) ?? newPeer()
  state.peers.set(id, { ...newPeer(), isConnected: true, failures, refusals, waitUntilMs })
}

function newPeer(): SyncPeer {
  return {
    isConnected: false,
    unknown: new Set(),
    fetch: undefined,
    failures: 0,
    refusals: 0,
    waitUntilMs: 0,
    named: undefined,
  }
}

function peerGone(state: SyncState, id: NodeId): void {
  const peer = state.peers.get(id)
  if (peer === undefined) return
  state.peers.delete(id)
  if (peer.failures === 0) return
  // To the end of the map: those gone longest ago are forgotten first.
  state.peers.set(id, { ...peer, isConnected: false, unknown: new Set(), fetch: undefined, named: undefined })
  forgetGone(state)
}

function forgetGone(state: SyncState): void {
  let gone = 0
  for (const { isConnected } of state.peers.values()) if (!isConnected) gone++
  for (const [old, { isConnected }] of state.peers) {
    if (gone <= MAX_GONE_PEERS) break
    if (isConnected) continue
    state.peers.delete(old)
    gone--
  }
}

/** Undefined when it belongs to a connection that has ended. */
function fetchOf(state: SyncState, event: { peer: NodeId; fetch: number }): SyncFetch | undefined {
  const underWay = state.peers.get(event.peer)?.fetch
  return underWay?.number === event.fetch ? underWay : undefined
}

function fetchEnded(state: SyncState, event: SyncEvent & { type: 'fetch-ended' }, nowMs: number): void {
  const underWay = fetchOf(state, event)
  // Its connection ended first: that is nobody's fault, but bytes that break a rule are.
  if (underWay === undefined && event.outcome !== 'refused') return
  const peer = state.peers.get(event.peer) ?? newPeer()
  state.peers.set(event.peer, peer)
  if (underWay !== undefined) peer.fetch = undefined
  if (event.outcome === 'done') {
    peer.failures = 0
    peer.refusals = 0
    return
  }
  peer.failures++
  peer.refusals = event.outcome === 'refused' ? peer.refusals + 1 : 0
  const waitMs =
    peer.refusals > 0
      ? Math.min(REFUSED_RETRY_MS * 2 ** (peer.refusals - 1), MAX_REFUSED_RETRY_MS)
      : Math.min(RETRY_MS * 2 ** (peer.failures - 1), MAX_RETRY_MS)
  peer.waitUntilMs = nowMs + waitMs
  if (!peer.isConnected) forgetGone(state)
}

function nextAsks(state: SyncState, nowMs: number): Next {
  const effects: SyncEffect[] = []
  let wakeMs = Infinity
  for (const [id, peer] of state.peers) {
    if (peer.named === undefined) continue
    if (peer.named.askAtMs > nowMs) {
      wakeMs = Math.min(wakeMs, peer.named.askAtMs)
      continue
    }
    peer.named = undefined
    effects.push({ type: 'ask-heads', peer: id })
  }
  return { effects, wakeMs }
}

function nextFetches(state: SyncState, nowMs: number): Next {
  const effects: SyncEffect[] = []
  const slowAtByWant = new Map<CommitId, number>()
  for (const peer of state.peers.values()) {
    const underWay = peer.fetch
    if (underWay === undefined || underWay.progressMs + SLOW_MS <= nowMs) continue
    for (const want of underWay.wants) slowAtByWant.set(want, underWay.progressMs + SLOW_MS)
  }
  let wakeMs = Infinity
  for (const [id, peer] of state.peers) {
    if (peer.fetch !== undefined || peer.unknown.size === 0) continue
    if (peer.waitUntilMs > nowMs) {
      wakeMs = Math.min(wakeMs, peer.waitUntilMs)
      continue
    }
    const wants: CommitId[] = []
    for (const head of peer.unknown) {
      const slowAtMs = slowAtByWant.get(head)
      if (slowAtMs !== undefined) wakeMs = Math.min(wakeMs, slowAtMs)
      else if (wants.length < MAX_FETCH_WANTS) wants.push(head)
    }
    if (wants.length === 0) continue
    const number = ++state.fetches
    peer.fetch = { number, wants, progressMs: nowMs }
    for (const want of wants) slowAtByWant.set(want, nowMs + SLOW_MS)
    effects.push({ type: 'fetch', peer: id, fetch: number, wants })
  }
  return { effects, wakeMs }
}
