import { open } from 'atolldb'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { alternate, closing, inEmptyDirectory, timed } from '../harness.mjs'
import { startPeer } from '../remote-peer.mjs'
import { grouped, sooner } from '../results.mjs'
import { git } from '../stock-git.mjs'

/**
 * The first sync of an empty node over libp2p on loopback, from `open` until every record is verified and can be asked for;
 * beside a bare `git clone` of the same repository through git's own protocol.
 */
export async function firstSync({ directory, rounds, burst: records, loop }) {
  return inEmptyDirectory(directory, async () => {
    const served = join(directory, 'served')
    return closing(await startPeer(served), async peer => {
      const main = await peer.call('load', { records })
      const bootstrap = await peer.call('addresses')
      const measures = await alternate({
        directory,
        rounds,
        subject: at => loop.during('first sync', () => timed(() => syncOnce(at, bootstrap, main, records))),
        reference: at =>
          timed(() =>
            git(['clone', '--quiet', '--bare', pathToFileURL(join(served, 'repo.git')).href, join(at, 'clone')]),
          ),
      })
      const title = `first sync of ${grouped(records)} records`
      return [sooner(title, 'ms', measures, 'git clone --bare', 4, 2)]
    })
  })
}

async function syncOnce(at, bootstrap, main, records) {
  await closing(await open(at, { name: 'newcomer', listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap }), async db => {
    for (;;) {
      const synced = await db.synced({ peers: 1, timeout: 120_000 })
      if (synced.main === main) break
    }
    const found = await db.object('sensors').count()
    if (found !== records) throw new Error(`${found} of ${records} records arrived`)
  })
}
