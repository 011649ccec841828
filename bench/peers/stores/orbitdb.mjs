import './promise-with-resolvers.mjs'
import { gossipsub } from '@chainsafe/libp2p-gossipsub'
import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { bitswap } from '@helia/block-brokers'
import { Helia } from '@helia/utils'
import { identify } from '@libp2p/identify'
import { tcp } from '@libp2p/tcp'
import { createOrbitDB } from '@orbitdb/core'
import { LevelBlockstore } from 'blockstore-level'
import { MemoryDatastore } from 'datastore-core'
import { createLibp2p } from 'libp2p'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'

export const about = 'not synced; has no bulk write: one at a time; replication over libp2p'

export async function openStore(directory) {
  const node = await startNode(directory)
  const db = await node.orbitdb.open('records', { type: 'keyvalue' })
  return {
    put: (id, value) => db.put(id, value),
    async bulk(entries) {
      for (const [id, value] of entries) await db.put(id, value)
    },
    get: id => db.get(id),
    async replicate(to, last) {
      const copyNode = await startNode(to)
      await copyNode.ipfs.libp2p.dial(node.ipfs.libp2p.getMultiaddrs())
      const copy = await copyNode.orbitdb.open(db.address)
      while ((await copy.get(last)) === undefined) await pause(20)
      return { get: id => copy.get(id), close: () => copyNode.stop() }
    },
    close: () => node.stop(),
  }
}

async function startNode(directory) {
  const libp2p = await createLibp2p({
    addresses: { listen: ['/ip4/127.0.0.1/tcp/0'] },
    transports: [tcp()],
    connectionEncrypters: [noise()],
    streamMuxers: [yamux()],
    services: { identify: identify(), pubsub: gossipsub({ allowPublishToZeroTopicPeers: true }) },
  })
  const blockstore = new LevelBlockstore(join(directory, 'blocks'))
  await blockstore.open()
  const ipfs = new Helia({
    libp2p,
    blockstore,
    datastore: new MemoryDatastore(),
    blockBrokers: [bitswap()],
    routers: [],
    start: false,
  })
  await ipfs.start()
  const orbitdb = await createOrbitDB({ ipfs, directory: join(directory, 'orbitdb') })
  const stop = async () => {
    await orbitdb.stop()
    await ipfs.stop()
    await blockstore.close()
  }
  return { ipfs, orbitdb, stop }
}
