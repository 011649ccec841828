import { open } from 'atolldb'
import { join } from 'node:path'
import { alternate, closing, inEmptyDirectory, timed } from '../harness.mjs'
import { commitRecords, load } from '../load.mjs'
import { faster, grouped } from '../results.mjs'
import { git } from '../stock-git.mjs'

/**
 * Sealing full commits: from the moment a batch of 10,000 records is acknowledged to the moment its commit is durable in the
 * repository. The reference is `git fast-import` of the very same commits, as `git fast-export` wrote them.
 */
export async function seal({ directory, rounds, burst, loop }) {
  return inEmptyDirectory(directory, async () => {
    const stream = join(directory, 'commits')
    await inEmptyDirectory(join(directory, 'exported'), async at => {
      await closing(await open(at), db => load(db, burst, () => db.flush()))
      await git(['-C', join(at, 'repo.git'), 'fast-export', 'main'], { output: stream })
    })

    const measures = await alternate({
      directory,
      rounds,
      async subject(at) {
        return closing(await open(at, { durability: 'sync' }), async db => {
          let sealingMs = 0
          const sealBatch = () => timed(() => db.flush())
          await load(db, burst, async () => {
            sealingMs += await loop.during('seals', sealBatch)
          })
          return (burst / sealingMs) * 1000
        })
      },
      async reference(at) {
        await git(['init', '--quiet', '--bare', at])
        const importMs = await timed(() => git(['-C', at, 'fast-import', '--quiet'], { input: stream }))
        return (burst / importMs) * 1000
      },
    })
    const title = `seal ${grouped(burst)} records, ${grouped(Math.min(commitRecords, burst))} a commit`
    return [faster(title, '/s', measures, 'git fast-import', 2, 3)]
  })
}
