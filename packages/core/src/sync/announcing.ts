import { BoundedCache } from '../commits/bounded-cache.ts'
import type { CommitId } from '../ids.ts'

/**
 * Decides when a node tells the glob channel where its `main` stands, and in how many words. Sans-I/O: the driver hands in
 * events, and performs the effects.
 *
 * What a node sealed is news, and told at once. What it adopted its writer has told already; it is told once more because
 * peers that are not connected to the writer fetch it from here, and because everybody wants to know who holds what
 * (`status`, `synced`). That waits until nothing more is being fetched and for a pause, so that a burst of adoptions is told
 * once: were each of them told, n nodes that write at once would say n² things. The more peers there are to speak, the longer
 * the pause: however many they are, all together say no more than some 25 things a second besides what they write.
 *
 * Many heads are listed only by those who reach a `main` first. Who hears it named before its own turn comes names it too,
 * and no more.
 */

const PAUSE_PER_PEER_MS = 10
/** Where adoptions never pause, they are told this often. */
const SILENCE_PER_PEER_MS = 40
/** So few heads cost less than asking for them would. */
const FEW_HEADS = 8
const REMEMBERED_MAINS = 64

export interface AnnouncingState {
  /** Something was adopted and is not told yet: it is at `dueMs` of the monotonic clock, if no more comes, and at `latestMs` if it does. */
  adopted: { readonly pauseMs: number; readonly dueMs: number; readonly latestMs: number } | undefined
  /** Each `main` that others told of on the channel. */
  readonly told: BoundedCache<CommitId, true>
}

export type AnnouncingEvent =
  /** `main` moved to a commit of this node's. */
  | { readonly type: 'sealed' }
  /** `main` moved to what others wrote; `peers` are connected, `random` is in [0, 1). */
  | { readonly type: 'adopted'; readonly peers: number; readonly random: number }
  /** `isFetching`: more may be adopted soon. */
  | { readonly type: 'timer'; readonly isFetching: boolean }

export type AnnouncingEffect =
  | { readonly type: 'announce' }
  /** Hand in a `timer` event at that moment of the monotonic clock; replaces the one before. */
  | { readonly type: 'wake'; readonly atMs: number }

export function newAnnouncingState(): AnnouncingState {
  return { adopted: undefined, told: new BoundedCache(REMEMBERED_MAINS) }
}

/** Takes one event at this moment of the monotonic clock. */
export function stepAnnouncing(state: AnnouncingState, event: AnnouncingEvent, nowMs: number): AnnouncingEffect[] {
  switch (event.type) {
    case 'sealed':
      state.adopted = undefined
      return [{ type: 'announce' }]
    case 'adopted': {
      const pauseMs = event.peers * PAUSE_PER_PEER_MS * (1 + event.random)
      const latestMs = state.adopted?.latestMs ?? nowMs + event.peers * SILENCE_PER_PEER_MS
      return wait(state, { pauseMs, dueMs: nowMs + pauseMs, latestMs }, nowMs)
    }
    case 'timer': {
      const { adopted } = state
      if (adopted === undefined) return []
      return wait(state, event.isFetching ? { ...adopted, dueMs: nowMs + adopted.pauseMs } : adopted, nowMs)
    }
  }
}

function wait(state: AnnouncingState, adopted: AnnouncingState['adopted'] & {}, nowMs: number): AnnouncingEffect[] {
  const atMs = Math.min(adopted.dueMs, adopted.latestMs)
  state.adopted = atMs <= nowMs ? undefined : adopted
  return [atMs <= nowMs ? { type: 'announce' } : { type: 'wake', atMs }]
}

/** Somebody told of this `main` on the channel. */
export function noteTold(state: AnnouncingState, main: CommitId): void {
  state.told.set(main, true)
}

/** The heads to list in an announcement of `main`: none where the name of it is enough. */
export function headsToTell(state: AnnouncingState, main: CommitId, heads: readonly CommitId[]): readonly CommitId[] {
  return heads.length > FEW_HEADS && state.told.get(main) === true ? [] : heads
}
