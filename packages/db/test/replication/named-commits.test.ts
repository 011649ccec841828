import { MemoryNetwork } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { git, openCluster, settled } from './nodes.ts'

it('keeps a merge commit that only a name names, through our compaction and the gc of stock git', async () => {
  const nodes = await openCluster(new MemoryNetwork(), 3)
  const [first, second, third] = nodes
  await Promise.all(nodes.map(({ db }) => db.offline()))
  for (const { db } of nodes) {
    await db.object('farms').put(db.name, 1)
    await db.flush()
  }
  await Promise.all([first!.db.online(), second!.db.online()])
  const both = await settled(first!, second!)
  await first!.db.refs.update('both', 'main')
  await third!.db.online()
  const all = await settled(...nodes)
  // Main has gone on from its parents, not from it.
  expect(() => git(first!, 'merge-base', '--is-ancestor', both, all)).toThrow()

  await first!.db.compact()
  expect(await (await first!.db.at('both')).object('farms').count()).toBe(2)
  await first!.db.close()
  git(first!, 'gc', '--quiet', '--prune=now')
  expect(git(first!, 'rev-parse', 'refs/atoll/refs/both').trim()).toBe(both)
  expect(git(first!, 'ls-tree', '--name-only', `${both}:objects/farms`).trim().split('\n')).toHaveLength(2)
})
