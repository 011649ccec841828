import type { CollectionInfo, PeerStatus, Status } from '@atolldb/client'
import type { Command } from 'commander'
import { invocationOf, withConnection } from '../invocation.ts'
import type { Io } from '../io.ts'
import { count, printable, tableLines, type Output } from '../output.ts'
import { peerRows, peerShape } from './peers.ts'

export function addStatus(program: Command, io: Io): void {
  program
    .command('status')
    .description('am I in sync, and with whom?')
    .action(async (_options: unknown, command: Command) => {
      const invocation = invocationOf(command, io)
      const { out } = invocation
      await withConnection(invocation, async ({ client, running }) => {
        const status = await client.status()
        if (out.json) await out.object(statusShape(status))
        else for (const line of statusLines(status, running !== undefined, out)) await out.line(line)
      })
    })
}

/** What is not known is null, never left out. */
function statusShape(status: Status): unknown {
  return {
    ...status,
    cluster: status.cluster ?? null,
    main: status.main ?? null,
    peers: status.peers.map(peerShape),
    reason: status.reason ?? null,
    next: status.next ?? null,
  }
}

export function statusLines(status: Status, running: boolean, out: Output): string[] {
  const lines = [headline(status, running, out)]
  if (status.reason !== undefined) lines.push(`  why:  ${printable(status.reason)}`)
  const next = running ? status.next : `start the node with: atoll up`
  if (next !== undefined) lines.push(`  next: ${printable(next)}`)
  lines.push('', ...tableLines(facts(status)))
  if (status.collections.length > 0)
    lines.push('', ...tableLines([['collection', 'kind', 'records'], ...status.collections.map(collectionRow)]))
  if (status.peers.length > 0)
    lines.push('', ...tableLines([['peer', 'state', 'main', 'last sync', 'address'], ...peerRows(status.peers)]))
  return lines
}

function headline(status: Status, running: boolean, out: Output): string {
  if (!running) return out.yellow('Not running: this is what the data directory holds.')
  const connected = status.peers.filter(peer => peer.connected)
  const who = connected.map(peerName).join(', ')
  switch (status.state) {
    case 'synced':
      return out.green(`In sync with ${count(connected.length, 'node')}: ${who}`)
    case 'syncing':
      return out.yellow(`Syncing with ${count(connected.length, 'node')}: ${who}`)
    case 'alone':
      return out.yellow('Alone: no other node is connected.')
    case 'offline':
      return out.yellow('Offline, as it was told to be; local work goes on.')
    case 'degraded':
      return out.yellow('Something needs you.')
  }
}

function peerName(peer: PeerStatus): string {
  return printable(peer.name ?? peer.id ?? peer.address)
}

function facts(status: Status): string[][] {
  const rows = [
    ['name', printable(status.name)],
    ['node', status.node],
    ['cluster', status.cluster ?? '-'],
    ['main', status.main ?? '-'],
    ['pending', count(status.pending, 'change')],
  ]
  if (status.held > 0) rows.push(['held back', count(status.held, 'commit')])
  if (status.conflicts > 0) rows.push(['conflicts', `${status.conflicts} (atoll conflicts)`])
  for (const address of status.addresses) rows.push(['address', address])
  return rows
}

function collectionRow({ name, kind, records }: CollectionInfo): string[] {
  return [name, kind === 'objects' ? 'Object' : 'List', records.toLocaleString('en-US')]
}
