import type { CommitId } from '@atolldb/core'
import type { NodeRules } from './node-rules.ts'
import { SeededRandom } from './seeded-random.ts'
import type { Traffic } from './simulated-network.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { Workload } from './workload.ts'
import { World, type WorldOptions } from './world.ts'

export interface SimulationReport {
  readonly seed: string
  /** What was broken, if something was. */
  readonly failure: Error | undefined
  /** What happened, the last of it. */
  readonly trace: readonly string[]
  readonly nodes: number
  readonly commits: number
  readonly crashes: number
  readonly merges: number
  readonly traffic: Traffic
  readonly virtualMs: number
  readonly main: CommitId | undefined
}

/** Virtual time that islands have to become one again; clocks that are far off take the most of it. */
const HEALING_MS = 40 * 60_000
const TRACE_LINES = 400

/**
 * One course of events, drawn from a seed: nodes write while the network, the disks and the clocks fail them; then all is
 * mended, and what was promised is looked at. The same seed gives the same course, to the last commit id.
 */
export async function simulate(seed: string, rules: NodeRules): Promise<SimulationReport> {
  const world = await World.create(drawOptions(seed), rules)
  try {
    await run(world)
  } catch (error) {
    world.fail('the simulation broke', error)
  }
  return {
    seed,
    failure: world.failure,
    trace: world.lines,
    nodes: world.nodes.length,
    commits: world.witness.commits,
    ...world.counts,
    traffic: world.network.traffic,
    virtualMs: world.timeline.nowMs,
    main: world.nodes[0]?.life?.position?.main,
  }
}

function drawOptions(seed: string): WorldOptions {
  const random = new SeededRandom(`${seed} options`)
  const latencyMs = random.pick([
    [0.2, 1],
    [5, 40],
    [1, 600],
  ] as const)
  const sealDelayMs = random.pick([
    [5, 20],
    [50, 1_500],
  ] as const)
  return {
    seed,
    nodes: random.pick([2, 2, 3, 3, 4, 5]),
    network: {
      latencyMs,
      loss: random.pick([0, 0.1, 0.6]),
      duplication: random.pick([0, 0.2]),
      bytesPerMs: random.pick([2, 100, 10_000]),
      slowLinks: random.pick([0, 0.3]),
      fanOut: Infinity,
    },
    emptyDisks: 0.2,
    sealDelayMs,
    mergeMs: random.pick([0, 1, 30]),
    verifyMs: random.pick([0, 0.5]),
    traceLines: TRACE_LINES,
  }
}

async function run(world: World): Promise<void> {
  const random = world.random.fork('events')
  const durationMs = random.pick([2_000, 10_000, 45_000])
  const over = (): boolean => world.failure !== undefined
  for (const node of world.nodes) {
    node.skewMs = skew(random)
    node.start()
  }
  planWrites(world, random, durationMs)
  planTrouble(world, random, durationMs)
  await world.timeline.run(durationMs, over)
  if (over()) return
  heal(world)
  await world.timeline.run(durationMs + HEALING_MS, () => over() || isSettled(world))
  if (over()) return
  if (!isSettled(world)) {
    const states = world.nodes.map(({ number, life, sync }) => {
      return `node ${number}: main ${life?.position?.main}, ${life?.unsealedCount} unsealed, ${sync?.heldCount} held back`
    })
    return world.fail(`the nodes did not agree; ${states.join('; ')}`)
  }
  await judge(world)
}

function planWrites(world: World, random: SeededRandom, durationMs: number): void {
  const workload = new Workload(world.random.fork('workload'))
  const writes = 4 + random.below(16)
  for (let i = 0; i < writes; i++)
    world.timeline.after(random.between(0, durationMs), () => {
      const node = random.pick(world.nodes)
      const { life } = node
      if (life === undefined) return
      node.run('write', () => workload.writeAt(life))
      // A burst: others write at the same moment, or this one goes on.
      if (random.chance(0.3)) node.run('write', () => workload.writeAt(life))
    })
  for (let i = 0; i < 6; i++)
    world.timeline.after(random.between(0, durationMs), () => look(world, random.pick(world.nodes), workload))
}

/** Reads a hot record, and compares it with what it has to be. */
function look(world: World, node: SimulatedNode, workload: Workload): void {
  const { life } = node
  const ref = workload.hotRecord()
  const position = life?.position
  if (life === undefined || position === undefined || life.isPending(ref)) return
  node.run('read', async () => world.witness.read(node.number, ref, position.heads, await life.read(ref)))
}

function planTrouble(world: World, random: SeededRandom, durationMs: number): void {
  const { nodes, network, timeline } = world
  const troubles = random.below(8)
  for (let i = 0; i < troubles; i++)
    timeline.after(random.between(0, durationMs), () => {
      const kind = random.next()
      const node = random.pick(nodes)
      if (kind < 0.45) crash(world, node, random)
      else if (kind < 0.75) {
        const lastsMs = random.between(100, durationMs)
        const others = nodes.filter(other => other !== node && random.chance(0.6))
        const isOneWay = random.chance(0.4)
        world.trace(node.number, `is cut off from ${others.map(other => other.number).join(' ')}`)
        for (const other of others) {
          network.cut(node.number, other.number)
          if (!isOneWay) network.cut(other.number, node.number)
          timeline.after(lastsMs, () => {
            network.mend(node.number, other.number)
            network.mend(other.number, node.number)
          })
        }
      } else {
        node.skewMs = skew(random)
        world.trace(node.number, `has its clock ${Math.round(node.skewMs)} ms off`)
      }
    })
}

function crash(world: World, node: SimulatedNode, random: SeededRandom): void {
  if (!node.isRunning) return
  world.counts.crashes++
  node.stop(random.chance(0.7))
  world.timeline.after(random.between(10, 3_000), () => {
    if (!node.isRunning) node.start()
  })
}

/** Most clocks are about right, some are minutes off, and some know no time at all. */
function skew(random: SeededRandom): number {
  const kind = random.next()
  if (kind < 0.7) return random.between(-500, 500)
  if (kind < 0.95) return random.between(-7, 7) * 60_000
  return -(40 * 365 * 24 * 3_600_000)
}

function heal(world: World): void {
  world.network.heal()
  for (const node of world.nodes) {
    node.skewMs = 0
    world.trace(node.number, 'is healed')
  }
}

function isSettled({ nodes }: World): boolean {
  const main = nodes[0]!.life?.position?.main
  return nodes.every(
    ({ life, sync }) =>
      life?.position !== undefined && life.position.main === main && life.unsealedCount === 0 && sync?.heldCount === 0,
  )
}

async function judge({ nodes, witness }: World): Promise<void> {
  const { position } = nodes[0]!.life!
  witness.keeps(position!.heads)
  // Equal ids are equal trees: one node stands for all.
  await witness.holds(0, nodes[0]!.disk.objects, position!.tree, position!.heads)
}
