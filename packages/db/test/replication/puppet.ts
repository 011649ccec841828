import {
  type CommitId,
  decodeFetchRequest,
  encodeFetchAnswer,
  encodeHeads,
  encodeHello,
  FETCH_PROTOCOL,
  type FetchRequest,
  globChannel,
  HELLO_PROTOCOL,
  MAX_FRAME_BYTES,
  type NodeId,
  type Sequence,
} from '@atolldb/core'
import type { MemoryNetwork, MemoryTransport } from '@atolldb/testkit'
import { onTestFinished } from 'vitest'
import { type FrameStream, frameStream } from '../../src/replication/frames.ts'

/** How a puppet answers a fetch: it owns the stream. */
export type FetchScript = (frames: FrameStream, request: FetchRequest) => Promise<void>

/** A peer that says and sends what a test wants. */
export class Puppet {
  readonly transport: MemoryTransport
  /** What it tells of, when asked. */
  heads: readonly CommitId[] = []
  cluster: CommitId
  /** Of its newest message on the channel. */
  sequence: Sequence = [1, 0]
  script: FetchScript = frames => sendPacks(frames, [])
  /** In place of `script`: answers as it finds right, the request included. */
  answers: ((peer: NodeId, frames: FrameStream) => Promise<void>) | undefined
  /** When it was asked for commits. */
  readonly fetchedMs: number[] = []
  readonly requests: FetchRequest[] = []

  private constructor(transport: MemoryTransport, cluster: CommitId) {
    this.transport = transport
    this.cluster = cluster
  }

  static async start(network: MemoryNetwork, cluster: CommitId, joins: number): Promise<Puppet> {
    const transport = network.createTransport({ bootstrap: [`/memory/${joins}`] })
    const puppet = new Puppet(transport, cluster)
    transport.handle(HELLO_PROTOCOL, async (_from, stream) => {
      const frames = frameStream(stream)
      await frames.read()
      await frames.send([puppet.#hello()])
    })
    transport.handle(FETCH_PROTOCOL, async (from, stream) => {
      const frames = frameStream(stream)
      if (puppet.answers !== undefined) return puppet.answers(from, frames)
      const request = decodeFetchRequest(await frames.read())
      puppet.fetchedMs.push(performance.now())
      puppet.requests.push(request)
      await puppet.script(frames, request)
    })
    transport.joinChannel(globChannel(cluster))
    onTestFinished(() => transport.stop())
    await transport.start()
    return puppet
  }

  get self(): NodeId {
    return this.transport.self
  }

  /** Says its heads to a peer over a stream of its own. */
  async tell(peer: NodeId): Promise<void> {
    const frames = frameStream(await this.transport.openStream(peer, HELLO_PROTOCOL))
    await frames.send([this.#hello()])
    await frames.read()
  }

  /** Names its `main` on the channel, and no heads. */
  async name(main: CommitId): Promise<void> {
    const clock = { ms: Date.now(), counter: 0 }
    const { cluster } = this
    this.sequence = [this.sequence[0], this.sequence[1] + 1]
    await this.transport.broadcast(encodeHeads({ cluster, sequence: this.sequence, heads: [], main, clock }))
  }

  /** Offers commits, and packs when asked for them. */
  async offer(peer: NodeId, heads: readonly CommitId[], ...packs: readonly Uint8Array[]): Promise<void> {
    this.heads = heads
    this.script = frames => sendPacks(frames, packs)
    await this.tell(peer)
  }

  #hello(): Uint8Array {
    const { cluster, heads } = this
    return encodeHello({
      cluster,
      name: 'puppet',
      sequence: this.sequence,
      heads,
      main: heads[0],
      addresses: [],
      peers: [],
    })
  }
}

export async function sendPacks(frames: FrameStream, packs: readonly Uint8Array[]): Promise<void> {
  await frames.send(answerOf(packs))
}

export function* answerOf(packs: readonly Uint8Array[]): Generator<Uint8Array> {
  for (const [i, pack] of packs.entries()) {
    yield encodeFetchAnswer({ kind: 'pack', bytes: pack.length, commits: 1, left: packs.length - i - 1 })
    yield* framesOf(pack)
  }
  yield encodeFetchAnswer({ kind: 'end' })
}

export function* framesOf(bytes: Uint8Array): Generator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += MAX_FRAME_BYTES) yield bytes.subarray(at, at + MAX_FRAME_BYTES)
}
