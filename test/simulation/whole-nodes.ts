import { MemoryNetwork, SeededRandom, type Weather } from '@atolldb/testkit'
import type { Database } from 'atolldb'
import { eventually, fsck, records } from '../../packages/db/test/replication/nodes.ts'
import { definedStateOf } from '../../packages/db/test/replication/oracle-state.ts'
import { WholeNode } from './whole-node.ts'
import { WholeReader } from './whole-reader.ts'
import { WholeWrites } from './whole-writes.ts'

/** What happened, so that a run in which nothing did can be told. */
export interface WholeReport {
  readonly acknowledged: number
  readonly commits: number
  readonly kills: number
  readonly contested: number
  /** By the feeds. */
  readonly told: number
}

const PATIENCE_MS = 60_000
let lastPort = 40_000

/**
 * Nodes of `db` as they ship, with files and real timers, on a network in memory that delays, loses and breaks: they write, are
 * cut off, closed and killed, and readers follow their feeds over all that; then all is mended, and what was promised is looked at. The seed determines what is done to them,
 * and not the course of events: timers, threads and the disk have their say.
 * @throws what was broken
 */
export async function playWholeNodes(seed: string): Promise<WholeReport> {
  const random = new SeededRandom(`whole ${seed}`)
  const network = new MemoryNetwork()
  const weather = drawWeather(random)
  const ports = Array.from({ length: 2 + random.below(3) }, () => ++lastPort)
  const nodes = ports.map((_, number) => new WholeNode({ network, weather, random }, number, ports))
  const writes = new WholeWrites(random.fork('writes'))
  const readers = nodes.flatMap(node => [
    new WholeReader(node, random.fork(`reader ${node.number}`)),
    new WholeReader(node, random.fork(`reader of farms ${node.number}`), 'farms'),
  ])
  const following = new AbortController()
  try {
    if (random.chance(0.3)) cutOff(network, nodes, nodes.at(-1)!)
    for (const node of nodes) await node.start()
    const durationMs = random.pick([300, 800])
    const kills = { count: 0 }
    const read = Promise.all(readers.map(reader => reader.follow(following.signal)))
    // Waited for in the end, whatever fails first.
    read.catch(() => undefined)
    await Promise.all([
      ...nodes.map(node => keepWriting(node, writes, random.fork(`writer ${node.number}`), durationMs)),
      makeTrouble({ network, nodes, random: random.fork('trouble'), durationMs, kills }),
    ])
    await heal(network, nodes, weather)
    following.abort()
    await read
    return { ...(await judge(nodes, writes, readers)), kills: kills.count }
  } catch (error) {
    throw new Error(`whole nodes, seed ${seed}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    })
  } finally {
    following.abort()
    for (const node of nodes) await node.end()
  }
}

function drawWeather(random: SeededRandom): Weather {
  return {
    latencyMs: random.pick([
      [0, 1],
      [1, 15],
      [0, 60],
    ] as const),
    loss: random.pick([0, 0.1, 0.5]),
    duplication: random.pick([0, 0.2]),
    breaks: random.pick([0, 0.15]),
  }
}

async function keepWriting(
  node: WholeNode,
  writes: WholeWrites,
  random: SeededRandom,
  durationMs: number,
): Promise<void> {
  const count = 4 + random.below(10)
  for (let i = 0; i < count; i++) {
    await pause(random.between(0, (2 * durationMs) / count))
    await writes.writeAt(node)
  }
}

interface Trouble {
  readonly network: MemoryNetwork
  readonly nodes: readonly WholeNode[]
  readonly random: SeededRandom
  readonly durationMs: number
  readonly kills: { count: number }
}

async function makeTrouble({ network, nodes, random, durationMs, kills }: Trouble): Promise<void> {
  const count = 2 + random.below(4)
  for (let i = 0; i < count; i++) {
    await pause(random.between(0, (2 * durationMs) / count))
    const node = random.pick(nodes)
    const other = random.pick(nodes.filter(each => each !== node))
    const kind = random.next()
    if (kind < 0.2) network.cut(node.self, other.self)
    else if (kind < 0.3) node.transport().deafTo.add(other.self)
    else if (kind < 0.4) cutOff(network, nodes, node)
    else if (kind < 0.5) mend(network, nodes)
    else {
      if (kind < 0.85) {
        if (node.life !== undefined) kills.count++
        node.kill()
      } else await node.stop()
      await pause(random.between(0, 100))
      if (node.life === undefined) await node.start()
    }
  }
}

function cutOff(network: MemoryNetwork, nodes: readonly WholeNode[], node: WholeNode): void {
  for (const other of nodes) if (other !== node) network.cut(node.self, other.self)
}

function mend(network: MemoryNetwork, nodes: readonly WholeNode[]): void {
  for (const [i, node] of nodes.entries()) {
    node.transport().deafTo.clear()
    for (const other of nodes.slice(i + 1)) network.heal(node.self, other.self)
  }
}

async function heal(network: MemoryNetwork, nodes: readonly WholeNode[], weather: Weather): Promise<void> {
  Object.assign(weather, { latencyMs: [0, 1], loss: 0, duplication: 0, breaks: 0 } satisfies Weather)
  mend(network, nodes)
  for (const node of nodes) if (node.life === undefined) await node.start()
  // Each asks the others every second until they agree, so that nobody waits for the timer.
  const peers = nodes.length - 1
  await Promise.all(nodes.map(({ life }) => life!.db.synced({ peers, timeout: PATIENCE_MS })))
}

async function judge(
  nodes: readonly WholeNode[],
  writes: WholeWrites,
  readers: readonly WholeReader[],
): Promise<Omit<WholeReport, 'kills'>> {
  const dbs = nodes.map(({ life }) => life!.db)
  await eventually(async () => {
    const statuses = await Promise.all(dbs.map(db => db.status()))
    const states = statuses.map(({ main, pending, held }) => `${main}, ${pending} pending, ${held} held`)
    if (new Set(states).size > 1 || statuses[0]!.pending > 0) throw new Error(`they do not agree: ${states.join('; ')}`)
  }, PATIENCE_MS)
  const { defined, actual, commits, contested } = await definedStateOf({ db: dbs[0]!, directory: nodes[0]!.directory })
  if (actual !== defined) throw new Error('the state is not the one of its commits')
  const missing = writes.missingFrom(commits)
  if (missing.length > 0) throw new Error(`acknowledged and gone: ${missing.join(', ')}`)
  const expected = contested.map(({ kind, collection, id }) => `${kind}/${collection}/${id}`).toSorted()
  const all = await records(dbs[0]!)
  for (const [i, db] of dbs.entries()) {
    const listed = await conflictsOf(db)
    if (listed.join() !== expected.join())
      throw new Error(`node ${i} lists as conflicts ${listed.join()}, not ${expected.join()}`)
    if (JSON.stringify(await records(db)) !== JSON.stringify(all)) throw new Error(`node ${i} reads other records`)
  }
  for (const reader of readers) {
    const difference = await reader.difference()
    if (difference !== undefined) throw new Error(difference)
  }
  for (const node of nodes) fsck(node)
  const told = readers.reduce((sum, reader) => sum + reader.told, 0)
  return { acknowledged: writes.acknowledged, commits: commits.length, contested: contested.length, told }
}

async function conflictsOf(db: Database): Promise<string[]> {
  const listed: string[] = []
  for await (const { kind, collection, id } of db.conflicts()) listed.push(`${kind}/${collection}/${id}`)
  return listed.sort()
}

function pause(ms: number): Promise<void> {
  return new Promise(resolve => void setTimeout(resolve, ms))
}
