import type { PeerStatus } from '@atolldb/client'
import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { printable, tableLines } from '../output.ts'

export function addPeers(program: Command, io: Io): void {
  program
    .command('peers')
    .description('the other nodes, and what is known of them')
    .action(async (_options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      const peers = await withConnection(invocation, ({ client }) => client.peers(), { needsRunningNode: true })
      if (out.json)
        for (const peer of peers) await out.object({ schema: 'atoll/peer/v1', ...(peerShape(peer) as object) })
      else if (peers.length === 0) out.note('none; --bootstrap names one to join by')
      else for (const line of tableLines(peerRows(peers))) await out.line(line)
    })
}

export function peerShape(peer: PeerStatus): unknown {
  return {
    id: peer.id ?? null,
    name: peer.name ?? null,
    address: peer.address,
    connected: peer.connected,
    main: peer.main ?? null,
    behind: peer.behind,
    lastSync: peer.lastSync ?? null,
    error: peer.error ?? null,
  }
}

export function peerRows(peers: readonly PeerStatus[]): string[][] {
  return peers.map(peer => [
    printable(peer.name ?? peer.id ?? '?'),
    printable(peerState(peer)),
    peer.main?.slice(0, 10) ?? '-',
    peer.lastSync ?? '-',
    printable(peer.address),
  ])
}

function peerState({ connected, behind, error }: PeerStatus): string {
  if (error !== undefined) return connected ? `refused: ${error}` : `unreachable: ${error}`
  if (!connected) return 'not connected'
  return behind === 0 ? 'connected' : `${behind} to fetch`
}
