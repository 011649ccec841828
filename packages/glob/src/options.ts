import type { NodeId } from '@atolldb/core'

/** What becomes of a broadcast: handed on and delivered, dropped, or dropped and held against the peer that passed it on. */
export type Verdict = 'accept' | 'ignore' | 'reject'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'

/** Receives what an operator may want to read; nothing is logged without it. */
export type Log = (level: LogLevel, message: string, fields?: Readonly<Record<string, unknown>>) => void

export interface TransportOptions {
  /** The node's Ed25519 seed (RFC 8032), 32 bytes: its peer id follows from it. */
  readonly privateKeySeed: Uint8Array
  /** Multiaddrs to listen on, `/ip4/…/tcp/…` or `/ip6/…/tcp/…`; port 0 takes a free one. None: the node only dials. */
  readonly listen: readonly string[]
  /** Multiaddrs to keep dialling, with or without `/p2p/<peer id>`. */
  readonly bootstrap: readonly string[]
  /** How this program names itself to its peers. */
  readonly agent?: string
  /** Judges each broadcast before it is delivered or handed on. `from` is verified. Must be fast; a throw counts as `ignore`. */
  readonly validate?: (from: NodeId, message: Uint8Array) => Verdict
  readonly log?: Log
  /** In [0, 1), for the jitter of the back-off. */
  readonly random?: () => number
}

/** Words for an error that came from below, for logs and status. */
export function reasonOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(reasonOf).join('; ')
  return error instanceof Error ? error.message || error.name : String(error)
}
