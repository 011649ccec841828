import { type CommitId, composeRootCommit, type NodeId } from '@atolldb/core'
import { fakeNodeId, fakeSigner } from '../fake-signer.ts'
import { LayeredObjects } from './layered-objects.ts'
import type { NodeRules } from './node-rules.ts'
import { SeededRandom } from './seeded-random.ts'
import { type NetworkQuality, SimulatedNetwork } from './simulated-network.ts'
import { SimulatedNode } from './simulated-node.ts'
import { Timeline } from './timeline.ts'
import { Witness } from './witness.ts'

/** After the build date that nodes trust no clock before. */
const START_MS = Date.UTC(2027, 0, 1)

export interface WorldOptions {
  readonly seed: string
  readonly nodes: number
  readonly network: NetworkQuality
  /** So many of the nodes have nothing on their disks. */
  readonly emptyDisks: number
  readonly sealDelayMs: readonly [low: number, high: number]
  /** Virtual time of a merge, and of the verification of a commit. */
  readonly mergeMs: number
  readonly verifyMs: number
  /** So many of the last lines are kept. */
  readonly traceLines: number
}

/** What there is in a simulation: time, network, nodes, and a witness who sees all of it. */
export class World {
  readonly options: WorldOptions
  readonly rules: NodeRules
  readonly random: SeededRandom
  readonly witness: Witness
  /** The root commit of the cluster. */
  readonly root: CommitId
  readonly timeline = new Timeline()
  readonly startMs = START_MS
  readonly network: SimulatedNetwork
  readonly nodes: SimulatedNode[] = []
  readonly counts = { merges: 0, announcements: 0, verified: 0, crashes: 0 }
  readonly #numberById = new Map<NodeId, number>()
  readonly #trace: string[] = []
  #failure: Error | undefined

  private constructor(options: WorldOptions, rules: NodeRules, root: CommitId) {
    const random = new SeededRandom(options.seed)
    this.options = options
    this.rules = rules
    this.random = random
    this.witness = new Witness(what => this.fail(what))
    this.root = root
    this.network = new SimulatedNetwork(this.timeline, random.fork('network'), options.network)
  }

  /** Nodes with the root of one cluster on their disks; none is started. */
  static async create(options: WorldOptions, rules: NodeRules): Promise<World> {
    const objects = new LayeredObjects()
    const founder = fakeNodeId(0)
    const publicKey = `ssh-ed25519 ${'A'.repeat(68)}`
    const clock = { ms: START_MS, counter: 0 }
    const commit = await composeRootCommit(objects, { clock, name: 'node-0', publicKey, signer: fakeSigner(founder) })
    const root = objects.writeCommit(commit)
    const world = new World(options, rules, root)
    await world.witness.founded(objects, root)
    for (let number = 0; number < options.nodes; number++) {
      const node = new SimulatedNode(world, number)
      world.nodes.push(node)
      world.#numberById.set(node.id, number)
      world.network.add(node)
    }
    for (const node of world.nodes) {
      // Some join with an empty disk, and write before they have met anybody.
      if (node.number > 0 && world.random.chance(options.emptyDisks)) continue
      node.disk.writePack(objects)
      node.disk.moveMain(root)
      node.disk.stop(world.random, false)
    }
    return world
  }

  numberOf(id: NodeId): number {
    return this.#numberById.get(id)!
  }

  get failure(): Error | undefined {
    return this.#failure
  }

  fail(what: string, cause?: unknown): void {
    if (this.#failure !== undefined) return
    const reason = cause instanceof Error ? `: ${cause.message}` : ''
    this.#failure = new Error(`${what}${reason}`, { cause })
  }

  trace(node: number, what: string): void {
    if (this.options.traceLines === 0) return
    if (this.#trace.length >= this.options.traceLines) this.#trace.shift()
    this.#trace.push(`${this.timeline.nowMs.toFixed(1).padStart(10)} ms  node ${node} ${what}`)
  }

  get lines(): readonly string[] {
    return this.#trace
  }
}
