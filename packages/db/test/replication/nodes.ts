import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Environment, JsonValue, NodeId } from '@atolldb/core'
import type { MemoryNetwork } from '@atolldb/testkit'
import { type Database, open, type OpenOptions } from 'atolldb'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from '../temporary.ts'

/** A node of a test, on a network in memory. */
export interface TestNode {
  readonly db: Database
  /** On that network; the database's own id signs commits. */
  readonly self: NodeId
  readonly directory: string
  readonly port: number
}

export interface TestNodeOptions extends OpenOptions {
  readonly port?: number
  /** Ports of nodes to join by. */
  readonly joins?: readonly number[]
  readonly directory?: string
  /** Its id on the network: else one of the network's own. */
  readonly self?: NodeId
}

let lastPort = 0

/** Opens a node; closed when the test ends. */
export async function openNode(network: MemoryNetwork, options: TestNodeOptions = {}): Promise<TestNode> {
  const { port = 20_000 + ++lastPort, joins = [], directory = temporaryDirectory(), self, ...rest } = options
  const bootstrap = joins.map(other => `/memory/${other}`)
  const transport = network.createTransport({
    listen: [`/memory/${port}`],
    bootstrap,
    ...(self === undefined ? {} : { self }),
  })
  const db = await open(directory, {
    name: `node-${port}`,
    durability: 'os',
    seal: { maxDelayMs: 50 },
    ...rest,
    bootstrap,
    transport,
  })
  onTestFinished(() => db.close())
  return { db, self: transport.self, directory, port }
}

/** A node that founds a cluster, and others that join it by the first one. */
export async function openCluster(network: MemoryNetwork, size: number): Promise<TestNode[]> {
  const first = await openNode(network)
  const nodes = [first]
  while (nodes.length < size) nodes.push(await openNode(network, { joins: [first.port] }))
  await settled(...nodes)
  return nodes
}

/** Resolves once the nodes have the same `main`, with nothing pending. */
export async function settled(...nodes: readonly TestNode[]): Promise<string> {
  return eventually(async () => {
    const statuses = await Promise.all(nodes.map(({ db }) => db.status()))
    const mains = new Set(statuses.map(status => status.main))
    const [main] = mains
    if (main === undefined || mains.size > 1) throw new Error(`mains differ: ${[...mains].join(' ')}`)
    if (statuses.some(status => status.pending > 0)) throw new Error('something is pending')
    return main
  })
}

const PATIENCE_MS = 20_000

/** What the check gives once it does not throw any more. */
export async function eventually<Result>(check: () => Promise<Result> | Result, ms = PATIENCE_MS): Promise<Result> {
  const end = performance.now() + ms
  for (;;) {
    try {
      return await check()
    } catch (error) {
      if (performance.now() > end) throw error
      await new Promise(resolve => setTimeout(resolve, 5))
    }
  }
}

/**
 * Resolves in a later millisecond than that of the call. What two nodes write in the same one is ordered by their counters, so a
 * test that expects the later writer to win waits for this between them.
 */
export async function laterMillisecond(): Promise<void> {
  const now = Date.now()
  while (Date.now() <= now) await new Promise(resolve => setTimeout(resolve, 1))
}

/** Every record of the node's user collections. */
export async function records(db: Database): Promise<Record<string, JsonValue>> {
  const all: Record<string, JsonValue> = {}
  for (const { name, kind } of await db.collections())
    for await (const [id, value] of kind === 'objects' ? db.object(name).entries() : db.list(name).entries())
      all[`${kind}/${name}/${id}`] = value
  return all
}

export function repositoryOf(node: Pick<TestNode, 'directory'>): string {
  return join(node.directory, 'repo.git')
}

/** What stock git says of a repository. @throws when it finds fault */
export function git(node: Pick<TestNode, 'directory'>, ...args: string[]): string {
  return execFileSync('git', ['--git-dir', repositoryOf(node), ...args], { encoding: 'utf8', stdio: 'pipe' })
}

/** @throws when stock git finds fault with it */
export function fsck(node: Pick<TestNode, 'directory'>): void {
  git(node, 'fsck', '--strict', '--full', '--no-dangling')
}

/** A clock that a test turns. */
export class TestClock implements Environment {
  #offsetMs = 0

  nowMs(): number {
    return Date.now() + this.#offsetMs
  }

  monotonicMs(): number {
    return performance.now()
  }

  randomBytes(length: number): Uint8Array {
    return randomBytes(length)
  }

  turn(ms: number): void {
    this.#offsetMs += ms
  }
}
