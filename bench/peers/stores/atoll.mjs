import { open } from 'atolldb'
import { join } from 'node:path'

export const about = 'synced before each answer; replication over libp2p, verified'

const listen = ['/ip4/127.0.0.1/tcp/0']

export async function openStore(directory) {
  const path = join(directory, 'atoll')
  const db = await open(path, { listen })
  const records = db.object('records')
  return {
    put: (id, value) => records.put(id, value),
    bulk: entries =>
      db.batch(tx => {
        const batch = tx.object('records')
        for (const [id, value] of entries) batch.put(id, value)
      }),
    get: id => records.get(id),
    async replicate(to) {
      const { commit } = await db.flush()
      const bootstrap = (await db.status()).addresses
      const copy = await open(join(to, 'atoll'), { listen, bootstrap })
      while ((await copy.synced({ peers: 1, timeout: 120_000 })).main !== commit);
      return { get: id => copy.object('records').get(id), close: () => copy.close() }
    },
    close: () => db.close(),
  }
}
