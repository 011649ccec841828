import type { ByteStream, NodeId, Transport } from '@atolldb/core'
import { expect } from 'vitest'

/** Reads to the end. */
export async function readAll(stream: ByteStream): Promise<Uint8Array[]> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream.source) chunks.push(chunk)
  return chunks
}

/** The first address of a node, for others to take: without its peer id. */
export function withoutPeer(transport: Transport): string {
  return transport.addresses()[0]?.replace(/\/p2p\/.*$/, '') ?? ''
}

/**
 * Broadcasts, again and again since the channel may lose messages, until each of the others has got one, and checks what
 * they got. Messages begin with the id of their sender and are of the size given, at least 60 bytes.
 */
export async function expectDelivery(
  sender: { readonly transport: Transport },
  receivers: readonly { readonly transport: Transport }[],
  sizeBytes = 100,
): Promise<void> {
  const { self } = sender.transport
  const message = new TextEncoder().encode(`${self} `.padEnd(sizeBytes, 'x'))
  const undos: (() => void)[] = []
  const delivered = receivers.map(
    async ({ transport }) =>
      new Promise<{ from: NodeId; got: Uint8Array }>(resolve => {
        undos.push(
          transport.onBroadcast((from, got) => {
            if (from === self && got.length === sizeBytes) resolve({ from, got })
          }),
        )
      }),
  )
  const send = () => void sender.transport.broadcast(message)
  const again = setInterval(send, 50)
  send()
  for (const { got } of await Promise.all(delivered)) expect(Buffer.from(got).equals(Buffer.from(message))).toBe(true)
  clearInterval(again)
  for (const undo of undos) undo()
}
