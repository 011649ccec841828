import { once } from 'node:events'
import { generateKeyPair } from '@libp2p/crypto/keys'
import { afterEach, expect, test } from 'vitest'
import { createNode, type Libp2pNode } from '../src/libp2p-node.ts'

const nodes: Libp2pNode['libp2p'][] = []

afterEach(async () => {
  await Promise.all(nodes.splice(0).map(async node => node.stop()))
})

async function start(): Promise<Libp2pNode['libp2p']> {
  const { libp2p } = await createNode({
    privateKey: await generateKeyPair('Ed25519'),
    listen: ['/ip4/127.0.0.1/tcp/0'],
    agent: 'test',
    denies: () => false,
  })
  // As the transport does: identify on every new connection, gossip again on what is left when one ends.
  libp2p.addEventListener('connection:open', ({ detail }) => {
    libp2p.services.identify.identify(detail).catch(() => undefined)
  })
  libp2p.addEventListener('connection:close', ({ detail }) => {
    const [left] = libp2p.getConnections(detail.remotePeer).filter(each => each !== detail && each.status === 'open')
    if (left !== undefined) libp2p.services.gossip.resumeOn(left)
  })
  await libp2p.start()
  libp2p.services.gossip.subscribe('topic')
  nodes.push(libp2p)
  return libp2p
}

test('gossip goes on over the second connection when the first ends', async () => {
  const [a, b] = await Promise.all([start(), start()])
  const subscribed = Promise.all([
    once(a.services.gossip, 'subscription-change'),
    once(b.services.gossip, 'subscription-change'),
  ])
  const first = await a.dial(b.getMultiaddrs())
  await subscribed
  const identified = Promise.all([once(a, 'peer:identify'), once(b, 'peer:identify')])
  await b.dial(a.getMultiaddrs(), { force: true })
  await identified
  expect(a.getConnections()).toHaveLength(2)
  const again = Promise.all([
    once(a.services.gossip, 'subscription-change'),
    once(b.services.gossip, 'subscription-change'),
  ])
  await first.close()
  await again
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const heard = once(to.services.gossip, 'message')
    await from.services.gossip.publish('topic', new Uint8Array([1]))
    await heard
  }
  expect(a.getConnections()).toHaveLength(1)
})
