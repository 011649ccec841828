import { execFileSync } from 'node:child_process'
import type { CommitId } from '@atolldb/core'
import { MemoryNetwork, SeededRandom, type LongHistoryPlan } from '@atolldb/testkit'
import { diagnose } from 'atolldb'
import { expect } from 'vitest'
import { temporaryDirectory } from '../temporary.ts'
import { DrawnSource } from './drawn-source.ts'
import { eventually, fsck, openNode, repositoryOf, type TestNode } from './nodes.ts'
import { Puppet } from './puppet.ts'

/** Commits that one telling names at most. */
const TOLD_TOGETHER = 4

/**
 * One drawn history comes to several nodes, to each in an order of its own: over the network, as heads that a peer tells of, and
 * as heads that lay in the repository when the process ended. In between each is closed and opened again. All come to the `main`
 * that the oracle says, every time before they are closed.
 */
export async function arriveInOrders(
  seed: number,
  plan: LongHistoryPlan,
  { nodes, openings }: { readonly nodes: number; readonly openings: number },
): Promise<DrawnSource> {
  const random = new SeededRandom(`arrivals at nodes ${seed}`)
  const source = await DrawnSource.draw(random.fork('steps'), plan)
  const mains = new Set<CommitId>()
  for (let node = 0; node < nodes; node++) mains.add(await arriveAtNode(source, random.fork(`node ${node}`), openings))
  expect(mains).toEqual(new Set([await source.mainOf(source.history.commits)]))
  return source
}

async function arriveAtNode(source: DrawnSource, random: SeededRandom, openings: number): Promise<CommitId> {
  const arrivals = source.history.commits
    .map(id => ({ id, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ id }) => id)
  const arrived = new Set<CommitId>([source.root])
  const directory = temporaryDirectory()
  let main: CommitId = source.root
  for (let opening = 0; opening < openings; opening++) {
    const coming = arrivals.splice(0, Math.ceil(arrivals.length / (openings - opening)))
    // What a process that ended left behind: durable, and not adopted.
    if (opening > 0) leaveBehind(directory, await source.offering(coming[0]!), coming[0]!, arrived)
    main = await arriveWhileOpen(source, random, { directory, coming, arrived })
  }
  fsck({ directory })
  expect((await diagnose(directory)).findings).toEqual([])
  return main
}

function leaveBehind(directory: string, source: string, commit: CommitId, arrived: Set<CommitId>): void {
  const repository = repositoryOf({ directory })
  const packed = ['-c', 'fetch.unpackLimit=1']
  execFileSync('git', [
    '--git-dir',
    repository,
    ...packed,
    'fetch',
    '-q',
    source,
    `${commit}:refs/atoll/heads/${commit}`,
  ])
  arrived.add(commit)
}

async function arriveWhileOpen(
  source: DrawnSource,
  random: SeededRandom,
  { directory, coming, arrived }: { directory: string; coming: CommitId[]; arrived: Set<CommitId> },
): Promise<CommitId> {
  const network = new MemoryNetwork()
  const node = await openNode(network, { directory, cluster: source.root })
  // Nobody told it anything yet.
  if (arrived.size > 1) await cameTo(node, source, arrived)
  const puppet = await Puppet.start(network, source.root, node.port)
  puppet.answers = (peer, frames) => source.answer(peer, frames)
  while (coming.length > 0) {
    for (const id of coming.splice(0, 1 + random.below(TOLD_TOGETHER))) arrived.add(id)
    puppet.heads = source.history.oracle.heads(arrived)
    await puppet.tell(node.self)
    // Some come while others are being fetched, verified and adopted.
    if (random.chance(0.5)) await cameTo(node, source, arrived)
  }
  const main = await cameTo(node, source, arrived)
  await node.db.close()
  await puppet.transport.stop()
  return main
}

async function cameTo(node: TestNode, source: DrawnSource, arrived: ReadonlySet<CommitId>): Promise<CommitId> {
  const heads = source.history.oracle.heads(arrived)
  await eventually(async () => {
    const status = await node.db.status()
    expect(status.heads, status.reason).toEqual(heads)
  })
  const main = await source.mainOf(arrived)
  expect((await node.db.status()).main).toBe(main)
  return main
}
