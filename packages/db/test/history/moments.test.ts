import { MemoryNetwork } from '@atolldb/testkit'
import { expect, test } from 'vitest'
import type { Database } from '../../src/index.ts'
import { fsck, git, laterMillisecond, openCluster, openNode, settled, type TestNode } from '../replication/nodes.ts'
import { collected } from './collected.ts'

/** Three nodes that wrote apart, and the moment after that as a name; since then they met, and one wrote more. */
async function apart(): Promise<{ nodes: TestNode[]; moment: string; network: MemoryNetwork }> {
  const network = new MemoryNetwork()
  const nodes = await openCluster(network, 3)
  await nodes[0]!.db.object('farms').put('north', { crop: 'rye' })
  await settled(...nodes)
  await Promise.all(nodes.map(({ db }) => db.offline()))
  for (const { db } of nodes) {
    await db.object('farms').patch('north', { [db.name]: true })
    await db.flush()
    await laterMillisecond()
  }
  const moment = `@{${new Date().toISOString()}}`
  await laterMillisecond()
  await nodes[2]!.db.object('farms').put('south', 1)
  await nodes[2]!.db.flush()
  await Promise.all(nodes.map(({ db }) => db.online()))
  await settled(...nodes)
  await nodes[1]!.db.object('farms').delete('north')
  await nodes[1]!.db.flush()
  await settled(...nodes)
  return { nodes, moment, network }
}

const packs = (node: TestNode): number => Number(/packs: (\d+)/.exec(git(node, 'count-objects', '-v'))?.[1])
const farmsAt = async (db: Database, name: string): Promise<unknown> =>
  Object.fromEntries(await collected((await db.at(name)).object('farms').entries()))

test('a moment has what all had written by then, and is one commit on every node', async () => {
  const { nodes, moment } = await apart()
  const merged = { north: { crop: 'rye', ...Object.fromEntries(nodes.map(({ db }) => [db.name, true])) } }
  const commits = new Set<string>()
  for (const { db } of nodes) {
    expect(await farmsAt(db, moment)).toEqual(merged)
    commits.add((await db.at(moment)).commit)
  }
  const [commit, ...others] = commits
  expect(others).toEqual([])

  const [{ db }] = nodes as [TestNode]
  const { parents, type } = await db.show(moment)
  expect([type, parents.length]).toEqual(['merge', 3])
  expect(await collected(db.diff(moment, 'main'))).toMatchObject([
    { id: 'north', op: 'delete' },
    { id: 'south', op: 'put' },
  ])
  const [entry] = await collected(db.log({ from: moment, object: 'farms', id: 'north', limit: 1 }))
  expect(entry).toMatchObject({ commit, change: { after: { value: merged.north } } })
  nodes.forEach(fsck)
})

test('the commit of a moment is written once, is known by its id later, and can be named', async () => {
  const { nodes, moment, network } = await apart()
  const [first] = nodes as [TestNode]
  const { commit } = await first.db.at(moment)
  const before = packs(first)
  expect((await first.db.at(moment)).commit).toBe(commit)
  expect(packs(first)).toBe(before)
  expect(await first.db.refs.update('then', moment)).toEqual({ name: 'then', commit })
  await first.db.close()

  const again = await openNode(network, { directory: first.directory })
  expect((await again.db.at(commit)).commit).toBe(commit)
  expect((await again.db.at('then')).commit).toBe(commit)
  expect((await again.db.at(moment)).commit).toBe(commit)
  expect(packs(again)).toBe(before)
})

test('a moment before and after all of them needs no merge', async () => {
  const { nodes } = await apart()
  const [{ db }] = nodes as [TestNode]
  const [root] = (await collected(db.log())).slice(-1)
  expect((await db.at(`@{${root!.time.toISOString()}}`)).commit).toBe(root!.commit)
  expect((await db.at('@{now}')).commit).toBe((await db.status()).main)
  await expect(db.at('@{1999-01-01}')).rejects.toMatchObject({ code: 'MISSING', data: { what: 'commit' } })
})

test('what stock git drops of it is made again', async () => {
  const { nodes, moment, network } = await apart()
  const [first] = nodes as [TestNode]
  const { commit } = await first.db.at(moment)
  await first.db.close()
  git(first, 'gc', '--quiet', '--prune=now')
  expect(() => git(first, 'cat-file', '-e', commit)).toThrow()

  const again = await openNode(network, { directory: first.directory })
  const snapshot = await again.db.at(moment)
  expect(snapshot.commit).toBe(commit)
  expect(await snapshot.object('farms').has('north')).toBe(true)
})
