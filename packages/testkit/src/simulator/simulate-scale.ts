import { canonicalJson, encodeUtf8 } from '@atolldb/core'
import { hashObject } from '@atolldb/git'
import type { NodeRules } from './node-rules.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { World } from './world.ts'

/** What it costs a cluster that every node writes one record at the same moment. */
export interface ScaleReport {
  readonly nodes: number
  /** Messages that carried gossip over a link, and their bytes. */
  readonly gossipMessages: number
  readonly gossipBytes: number
  /** Exchanges of heads and fetches. */
  readonly requests: number
  readonly streamBytes: number
  readonly announcements: number
  /** Heads merged, by all nodes together. */
  readonly merges: number
  /** Virtual time from the first write until all nodes have one `main`. */
  readonly convergedMs: number
  readonly failure: Error | undefined
}

/** Time for everybody to come up and to say hello. */
const CONNECTING_MS = 5_000
/** All write within it. */
const BURST_MS = 100
const PATIENCE_MS = 10 * 60_000
/** What is told after a pause is told by then; exchanges by the timer come later. */
const PAUSE_MS = 2_000

export async function simulateScale(nodes: number, rules: NodeRules, seed = 'scale'): Promise<ScaleReport> {
  const world = await World.create(
    {
      seed,
      nodes,
      network: { latencyMs: [5, 40], loss: 0.01, duplication: 0, bytesPerMs: 1_000, slowLinks: 0, fanOut: 6 },
      emptyDisks: 0,
      sealDelayMs: [10, 10],
      mergeMs: 1,
      verifyMs: 0.5,
      traceLines: 0,
    },
    rules,
  )
  for (const node of world.nodes) node.start()
  await world.timeline.run(CONNECTING_MS)
  const { traffic } = world.network
  const before = { ...traffic, ...world.counts }
  for (const node of world.nodes) world.timeline.after(world.random.between(0, BURST_MS), () => write(node))
  await world.timeline.run(CONNECTING_MS + BURST_MS)
  await world.timeline.run(CONNECTING_MS + PATIENCE_MS, () => world.failure !== undefined || isOne(world))
  if (!isOne(world)) world.fail('the nodes did not agree')
  const convergedMs = world.timeline.nowMs - CONNECTING_MS
  await world.timeline.run(world.timeline.nowMs + PAUSE_MS)
  return {
    nodes,
    gossipMessages: traffic.gossipMessages - before.gossipMessages,
    gossipBytes: traffic.gossipBytes - before.gossipBytes,
    requests: traffic.requests - before.requests,
    streamBytes: traffic.streamBytes - before.streamBytes,
    announcements: world.counts.announcements - before.announcements,
    merges: world.counts.merges - before.merges,
    convergedMs,
    failure: world.failure,
  }
}

function write(node: SimulatedNode): void {
  const bytes = encodeUtf8(canonicalJson({ station: node.number, reading: 21.5 }))
  const ref = { kind: 'objects', collection: 'stations' as never, id: `station-${node.number}` as never } as const
  const content = { format: 'json', version: hashObject('blob', bytes), bytes } as const
  node.run('write', () => node.life!.write(async () => [{ ...ref, content }]))
}

function isOne({ nodes, witness }: World): boolean {
  const main = nodes[0]!.life?.position?.main
  return (
    witness.commits === nodes.length &&
    nodes.every(({ life }) => life?.position?.main === main && life?.unsealedCount === 0)
  )
}
