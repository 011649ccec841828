import { invalid, parseNodeId, type NodeId } from '@atolldb/core'
import { multiaddr, type Component } from '@multiformats/multiaddr'

/** An address to dial; without a peer id, whoever answers there will do. */
export interface DialAddress {
  readonly address: string
  readonly peer?: NodeId
}

const listenHosts = new Set(['ip4', 'ip6'])
const dialHosts = new Set(['ip4', 'ip6', 'dns', 'dns4', 'dns6'])

/** A multiaddr that we can listen on: an IP address and a TCP port. @throws INVALID */
export function parseListenAddress(text: string): string {
  const [host, port, ...rest] = components('listen address', text)
  if (host === undefined || !listenHosts.has(host.name) || port?.name !== 'tcp' || rest.length > 0)
    throw invalid('listen address', `${JSON.stringify(text)} is not /ip4/…/tcp/… or /ip6/…/tcp/…`)
  return text
}

/** A multiaddr that we can dial: host, TCP port, and perhaps who should answer. @throws INVALID */
export function parseDialAddress(text: string): DialAddress {
  const [host, port, peer, ...rest] = components('address', text)
  if (host === undefined || !dialHosts.has(host.name) || port?.name !== 'tcp' || rest.length > 0)
    throw invalid('address', `${JSON.stringify(text)} is not <ip or name>/tcp/<port>, with or without /p2p/<peer id>`)
  if (port.value === '0') throw invalid('address', `${JSON.stringify(text)} has no port to dial`)
  if (peer === undefined) return { address: text }
  if (peer.name !== 'p2p') throw invalid('address', `${JSON.stringify(text)} does not end in /p2p/<peer id>`)
  return { address: text, peer: parseNodeId(peer.value ?? '') }
}

function components(what: string, text: string): Component[] {
  try {
    return multiaddr(text).getComponents()
  } catch (error) {
    throw invalid(what, `${JSON.stringify(text)} is not a multiaddr (${error instanceof Error ? error.message : ''})`)
  }
}
