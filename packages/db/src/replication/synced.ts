import { AtollError, type CommitId, type NodeId } from '@atolldb/core'
import type { SyncedOptions } from '../api/database.ts'
import type { Branch } from '../engine/branch.ts'
import type { History } from '../engine/history.ts'
import type { Replicator } from './replicator.ts'

const DEFAULT_TIMEOUT_MS = 30_000
/** Peers are asked again this often, for the case that gossip was lost. */
const ASK_AGAIN_MS = 1_000

export interface SyncedParts {
  readonly history: History
  readonly branch: Branch
  readonly replicator: Replicator | undefined
  readonly onChange: (listener: () => void) => () => void
}

/**
 * Seals what is pending and waits until that many connected peers say, asked when that was our `main` already, that they hold
 * it: what they told before they may have told too early, and gossip of what came after may be lost.
 * @throws TIMEOUT, ABORTED, NO_CLUSTER (when the time is up and no cluster was met)
 */
export async function waitUntilSynced(
  parts: SyncedParts,
  options: SyncedOptions,
): Promise<{ main: CommitId; peers: NodeId[] }> {
  const { history, branch, replicator, onChange } = parts
  const { peers: wanted = 1, timeout = DEFAULT_TIMEOUT_MS, signal } = options
  if (history.hasBegun) await history.seal()
  let asked: { readonly main: CommitId; readonly sinceMs: number } | undefined
  const holders = (): { main: CommitId; peers: NodeId[] } | undefined => {
    const main = branch.state?.main
    if (main === undefined) return undefined
    if (replicator === undefined) return wanted > 0 ? undefined : { main, peers: [] }
    if (replicator.holders(main).length < wanted) return undefined
    if (asked?.main !== main) asked = { main, sinceMs: replicator.askAll() }
    const peers = replicator.holders(main, asked.sinceMs)
    return peers.length < wanted ? undefined : { main, peers }
  }
  return new Promise((resolve, reject) => {
    const end = (settle: () => void): void => {
      undo()
      clearTimeout(timer)
      clearInterval(asking)
      signal?.removeEventListener('abort', onAbort)
      settle()
    }
    const look = (): void => {
      const found = holders()
      if (found !== undefined) end(() => resolve(found))
    }
    const onAbort = (): void =>
      end(() => reject(new AtollError('ABORTED', 'waiting for peers was aborted', { what: 'synced' })))
    const undo = onChange(look)
    const timer = setTimeout(() => end(() => reject(timedOut(parts, wanted, timeout))), timeout)
    const asking = setInterval(() => replicator?.askAll(), ASK_AGAIN_MS)
    signal?.addEventListener('abort', onAbort)
    if (signal?.aborted === true) onAbort()
    else look()
  })
}

function timedOut({ branch, replicator }: SyncedParts, wanted: number, timeoutMs: number): AtollError<'TIMEOUT'> {
  const main = branch.state?.main
  const connected = (replicator?.peers() ?? []).filter(peer => peer.connected)
  const holding = main === undefined ? 0 : (replicator?.holders(main).length ?? 0)
  const what = `${wanted} peers with the same main: ${connected.length} connected, ${holding} hold it`
  return new AtollError('TIMEOUT', `not in sync after ${timeoutMs} ms: ${what}`, { what, timeoutMs })
}
