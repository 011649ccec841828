import type { Transport } from '@atolldb/core'
import type { TransportOptions } from './options.ts'

export type { Log, LogLevel, TransportOptions, Verdict } from './options.ts'

/**
 * A {@link Transport} over libp2p: TCP, Noise, Yamux, identify, ping and gossipsub, nothing else. It is idle until `start`.
 * libp2p is loaded here and not by importing the package, since loading it takes 280 ms.
 *
 * @throws INVALID for a seed that is not 32 bytes or an address that is not a TCP multiaddr
 *
 * @example
 * const transport = await createTransport({ privateKeySeed, listen: ['/ip4/0.0.0.0/tcp/0'], bootstrap: [] })
 * transport.joinChannel('atoll/<cluster>/glob')
 * await transport.start()
 */
export async function createTransport(options: TransportOptions): Promise<Transport> {
  const { Libp2pTransport } = await import('./libp2p-transport.ts')
  return Libp2pTransport.create(options)
}
