// First: libp2p needs it on Node 20.
import './promise-with-resolvers.ts'
import { HANDSHAKE_TIMEOUT_MS, MAX_CONNECTIONS, MAX_STREAMS_PER_PROTOCOL } from '@atolldb/core'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { identify, type Identify } from '@libp2p/identify'
import type { Connection, Libp2p, Listener, PeerId, PrivateKey, StreamMuxerFactory, Transport } from '@libp2p/interface'
import { ping, type Ping } from '@libp2p/ping'
import { tcp } from '@libp2p/tcp'
import { createLibp2p } from 'libp2p'
import { gossip, type Gossip } from './gossip.ts'

export interface NodeOptions {
  readonly privateKey: PrivateKey
  readonly listen: readonly string[]
  readonly agent: string
  /** Shall there be no connection to this peer, whoever dials? */
  readonly denies: (peer: PeerId) => boolean
}

export interface BoundListener {
  /** What was asked for. */
  readonly address: string
  readonly listener: Listener
}

/** A libp2p node that has not started, and what it tells of its listeners. */
export interface Libp2pNode {
  readonly libp2p: Libp2p<{ identify: Identify; ping: Ping; gossip: Gossip }>
  readonly listeners: readonly BoundListener[]
  /** Addresses that could not be bound, and why. */
  readonly listenFailures: readonly { readonly address: string; readonly cause: unknown }[]
}

const MAX_PENDING_CONNECTIONS = MAX_CONNECTIONS / 4
const MAX_STREAM_WINDOW_BYTES = 1024 * 1024
const PING_INTERVAL_MS = 10_000
/** The event loop of a busy peer may stand still for seconds; only longer silence ends a connection. */
const PING_TIMEOUT_MS = 20_000

export async function createNode(options: NodeOptions): Promise<Libp2pNode> {
  const listeners: BoundListener[] = []
  const listenFailures: { address: string; cause: unknown }[] = []
  const libp2p = await createLibp2p({
    start: false,
    privateKey: options.privateKey,
    nodeInfo: { userAgent: options.agent },
    addresses: { listen: [...options.listen] },
    transports: [
      components =>
        watchListeners(
          tcp({ maxConnections: MAX_CONNECTIONS + MAX_PENDING_CONNECTIONS })(components),
          listeners,
          listenFailures,
        ),
    ],
    connectionEncrypters: [noise()],
    streamMuxers: [streamMuxer],
    connectionGater: {
      denyDialPeer: options.denies,
      denyInboundEncryptedConnection: options.denies,
      denyOutboundEncryptedConnection: options.denies,
    },
    connectionManager: {
      maxConnections: MAX_CONNECTIONS,
      maxParallelDials: 32,
      maxIncomingPendingConnections: MAX_PENDING_CONNECTIONS,
      // A whole cluster may come back at once, from one address.
      inboundConnectionThreshold: MAX_CONNECTIONS,
      dialTimeout: HANDSHAKE_TIMEOUT_MS,
      addressDialTimeout: HANDSHAKE_TIMEOUT_MS,
      inboundUpgradeTimeout: HANDSHAKE_TIMEOUT_MS,
      inboundStreamProtocolNegotiationTimeout: HANDSHAKE_TIMEOUT_MS,
      outboundStreamProtocolNegotiationTimeout: HANDSHAKE_TIMEOUT_MS,
      // Ours is the dialler.
      reconnectRetries: 0,
    },
    connectionMonitor: { pingInterval: PING_INTERVAL_MS, pingTimeout: { minTimeout: PING_TIMEOUT_MS } },
    services: {
      identify: identify({ runOnConnectionOpen: false, timeout: HANDSHAKE_TIMEOUT_MS }),
      ping: ping(),
      gossip: gossip(),
    },
  })
  return { libp2p, listeners, listenFailures }
}

function streamMuxer(): StreamMuxerFactory {
  return yamux({
    maxInboundStreams: 8 * MAX_STREAMS_PER_PROTOCOL,
    maxOutboundStreams: 8 * MAX_STREAMS_PER_PROTOCOL,
    // A peer may open all its streams in the packet that ends the handshake.
    maxEarlyStreams: MAX_STREAMS_PER_PROTOCOL,
    streamOptions: {
      maxStreamWindowSize: MAX_STREAM_WINDOW_BYTES,
      // More than the window, since a paused stream that gets more than this is reset.
      maxReadBufferLength: 2 * MAX_STREAM_WINDOW_BYTES,
    },
  })()
}

/**
 * Notes what a transport's listeners do. libp2p says which address failed only in words, and names only those of its own
 * addresses that somebody vouched for.
 */
function watchListeners(
  transport: Transport,
  listeners: BoundListener[],
  failures: { address: string; cause: unknown }[],
): Transport {
  const createListener = transport.createListener.bind(transport)
  transport.createListener = options => {
    const listener = createListener(options)
    const listen = listener.listen.bind(listener)
    listener.listen = async address => {
      try {
        await listen(address)
        listeners.push({ address: address.toString(), listener })
      } catch (cause) {
        failures.push({ address: address.toString(), cause })
        throw cause
      }
    }
    return listener
  }
  return transport
}

/** Ends a connection now, whatever the other side does. */
export function abortConnection(connection: Connection, reason: string): void {
  connection.abort(new Error(reason))
}
