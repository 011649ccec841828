import { type CommitId, MAX_MERGE_HEADS } from '@atolldb/core'
import { MemoryNetwork } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { Forger, packOf } from './forger.ts'
import { eventually, fsck, git, openCluster, records, settled } from './nodes.ts'
import { Puppet } from './puppet.ts'

it('of more heads than a merge joins the first are merged, and the rest wait for room', async () => {
  const network = new MemoryNetwork()
  const [a, b] = await openCluster(network, 2)
  await a!.db.object('farms').put('north', {})
  const { commit: main } = await a!.db.flush()
  await settled(a!, b!)
  const forger = await Forger.upon(a!)
  const { clock } = await forger.graph.node(main)
  const commits: CommitId[] = []
  const late = 4
  for (let i = 0; i < MAX_MERGE_HEADS + late; i++) {
    const id = `farm-${String(i).padStart(3, '0')}`
    commits.push(await forger.commit(main, { id, value: { i }, clock: { ms: clock.ms + 1 + i, counter: 0 } }))
  }
  const objects = forger.take()
  const split = objects.findIndex(({ id }) => id === commits[late - 1]) + 1
  const puppet = await Puppet.start(network, a!.db.cluster!, a!.port)

  // The later ones come first: the earlier ones take the place of the last of them.
  await puppet.offer(a!.self, commits.slice(late), packOf(objects.slice(split)))
  await eventually(async () => expect((await a!.db.status()).heads).toEqual(commits.slice(late).sort()))
  await puppet.offer(a!.self, commits.slice(0, late), packOf(objects.slice(0, split)))
  await eventually(async () => expect((await a!.db.status()).heads).toEqual(commits.slice(0, MAX_MERGE_HEADS).sort()))
  expect(await a!.db.object('farms').count()).toBe(1 + MAX_MERGE_HEADS)
  expect(await a!.db.object('farms').get(`farm-${MAX_MERGE_HEADS}`)).toBeUndefined()
  expect(git(a!, 'for-each-ref', 'refs/atoll/heads').trim().split('\n')).toHaveLength(late)
  await settled(a!, b!)
  fsck(a!)

  // A write that saw them makes room for those that waited, on every node.
  await b!.db.object('farms').put('south', {})
  await b!.db.flush()
  await settled(a!, b!)
  await eventually(async () => expect(await a!.db.object('farms').count()).toBe(2 + MAX_MERGE_HEADS + late))
  await settled(a!, b!)
  expect(await records(b!.db)).toEqual(await records(a!.db))
  // They go after `main` has moved.
  await eventually(() => expect(git(a!, 'for-each-ref', 'refs/atoll/heads')).toBe(''))
  fsck(a!)
  fsck(b!)
}, 60_000)
