import { open } from 'atolldb'
import { join } from 'node:path'
import { closing, copyDirectory, inEmptyDirectory, timed } from '../harness.mjs'
import { packBytes } from '../repository-size.mjs'
import { grouped, noted, sooner } from '../results.mjs'
import { git } from '../stock-git.mjs'
import { writeOne } from './commit.mjs'

/**
 * A repository with a history, full commits first and then one-record commits, put together by `compact`; beside `git gc` of a
 * copy that was not. Sizes are those of packs and indexes.
 */
export async function compaction({ directory, burst, dataSets, loop }) {
  return inEmptyDirectory(directory, async () => {
    const path = await dataSets.copyOf('objects', burst, join(directory, 'atoll'))
    const repository = join(path, 'repo.git')
    const copy = join(directory, 'git')
    const commits = Math.max(100, burst / 50)
    return closing(await open(path), async db => {
      for (let nth = 0; nth < commits; nth++) {
        await writeOne(db, 'objects', nth, burst)
        await db.flush()
      }
      copyDirectory(repository, copy)
      const compactMs = await loop.during('compaction', () => timed(() => db.compact()))
      const gcMs = await timed(() => git(['-C', copy, 'gc', '--quiet', '--prune=now']))
      const sizes = { subject: packBytes(repository) / 1e6, reference: packBytes(copy) / 1e6 }
      const what = `${grouped(burst)} records and ${grouped(commits)} one-record commits`
      return [
        sooner(`repository after compaction, ${what}`, 'MB', sizes, 'after git gc', 1.5, 1.1),
        noted(`compaction of that (git gc: ${(gcMs / 1000).toFixed(1)} s)`, 's', compactMs / 1000),
      ]
    })
  })
}
