import type { CommitId } from '@atolldb/core'
import { MemoryNetwork } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { Forger, packOf } from './forger.ts'
import { eventually, fsck, git, openCluster, openNode, records, settled, type TestNode } from './nodes.ts'
import { Puppet } from './puppet.ts'

const HEADS = 12

it('heads that come together are joined by one merge commit, and each record is told of once', async () => {
  const network = new MemoryNetwork()
  const [a] = await openCluster(network, 1)
  await a!.db.object('farms').put('shared', { by: 'a' })
  const { commit: main } = await a!.db.flush()
  const forger = await Forger.upon(a!)
  const { clock } = await forger.graph.node(main)
  const heads: CommitId[] = []
  for (let i = 0; i < HEADS; i++) {
    // All of them change one record, and half of them the same one besides.
    const id = i % 2 === 0 ? 'shared' : `farm-${i}`
    heads.push(
      await forger.commit(main, { id, value: { [`field-${i}`]: i }, clock: { ms: clock.ms + 1 + i, counter: 0 } }),
    )
  }
  const told: string[] = []
  a!.db.object('farms').subscribe(({ id }) => told.push(id))
  const puppet = await Puppet.start(network, a!.db.cluster!, a!.port)
  await puppet.offer(a!.self, heads, packOf(forger.take()))
  await eventually(async () => expect((await a!.db.status()).heads).toEqual(heads.toSorted()))
  expect(mergeCommits(a!)).toHaveLength(1)
  expect(told.toSorted()).toEqual([...new Set(told)].sort())
  expect(await a!.db.object('farms').get('shared')).toMatchObject({ 'field-0': 0, 'field-10': 10 })
  fsck(a!)
  // One that hears of them in another way comes to the same.
  const b = await openNode(network, { joins: [a!.port] })
  await settled(a!, b)
  expect(await records(b.db)).toEqual(await records(a!.db))
})

function mergeCommits(node: TestNode): string[] {
  const commits = git(node, 'cat-file', '--batch-all-objects', '--batch-check=%(objecttype) %(objectname)')
    .split('\n')
    .filter(line => line.startsWith('commit '))
    .map(line => line.slice('commit '.length))
  return commits.filter(id => git(node, 'cat-file', 'commit', id).split('\nparent ').length > 2)
}
