import {
  AtollError,
  type CommitId,
  decodeHeads,
  decodeHello,
  encodeHeads,
  encodeHello,
  type Environment,
  FETCH_PROTOCOL,
  globChannel,
  HELLO_PROTOCOL,
  type Hello,
  isAtollError,
  MAX_ADDRESS_LENGTH,
  MAX_ADDRESSES_PER_HELLO,
  MAX_FETCH_WANTS,
  MAX_HEADS_PER_MESSAGE,
  newSyncState,
  type NodeId,
  step,
  type SyncEffect,
  type SyncEvent,
  type Transport,
  type VerifyCommitSignature,
} from '@atolldb/core'
import type { CommitGraph } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { Log } from '../api/database.ts'
import type { PeerStatus } from '../api/status.ts'
import type { BranchState } from '../engine/branch.ts'
import { takePack } from './arrival.ts'
import { fetchPacks } from './fetch-client.ts'
import { sampleHaves } from './fetch-plan.ts'
import { serveFetch } from './fetch-server.ts'
import { frameStream } from './frames.ts'
import { HeldCommits } from './held-commits.ts'
import { PeerBook } from './peer-book.ts'

/** Heads are exchanged this often even when nothing was heard, give or take a quarter. */
const EXCHANGE_MS = 30_000
/** A peer of another cluster is not spoken to again before this. */
const OTHER_CLUSTER_MS = 60_000
const HELD_CHECK_MS = 1_000

export interface ReplicatorParts {
  readonly transport: Transport
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly environment: Environment
  readonly verifySignature: VerifyCommitSignature
  readonly log: Log
  readonly name: () => string
  readonly incarnation: number
  readonly cluster: () => CommitId | undefined
  readonly state: () => BranchState | undefined
  /** The node has no cluster yet, and a peer told its own: belong to that one from now on. */
  readonly pin: (cluster: CommitId) => Promise<void>
  /** Addresses of members, to be dialled from now on, over restarts too. */
  readonly meet: (addresses: readonly string[]) => Promise<void>
  /** Adopt verified commits that are in the repository. */
  readonly adopt: (heads: readonly CommitId[]) => Promise<void>
  /** Something that status shows has changed. */
  readonly onChange: () => void
  /** The wall clock to hold commits against; undefined while it cannot be trusted. */
  readonly trustedNowMs: () => number | undefined
}

/**
 * Keeps this node in step with its peers: performs what the sync machine of core decides, over the transport. Everything
 * that arrives is verified before it counts.
 */
export class Replicator {
  readonly #parts: ReplicatorParts
  readonly #sync = newSyncState()
  readonly #book = new PeerBook()
  readonly #held = new HeldCommits()
  readonly #undo: (() => void)[] = []
  readonly #running = new Set<Promise<void>>()
  #stopping = new AbortController()
  #exchangeTimer: NodeJS.Timeout | undefined
  #wakeTimer: NodeJS.Timeout | undefined
  #heldTimer: NodeJS.Timeout | undefined
  #counter = 0
  #isRunning = false

  constructor(parts: ReplicatorParts) {
    this.#parts = parts
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Commits held back because their clock is ahead of ours. */
  get heldCount(): number {
    return this.#held.size
  }

  peers(): PeerStatus[] {
    return this.#book.status(this.#parts.transport)
  }

  addresses(): string[] {
    return this.#parts.transport.addresses()
  }

  /** Listens, dials and keeps in step from now on. @throws ADDRESS_IN_USE, INVALID */
  async start(): Promise<void> {
    if (this.#isRunning) return
    const { transport } = this.#parts
    this.#stopping = new AbortController()
    this.#undo.push(
      transport.onPeer(event =>
        this.#take({ type: event.type === 'connected' ? 'peer-connected' : 'peer-gone', peer: event.peer }),
      ),
      transport.onBroadcast((from, message) => this.#hearHeads(from, message)),
      transport.handle(HELLO_PROTOCOL, async (from, stream) => {
        const frames = frameStream(stream)
        const hello = decodeHello(await frames.read())
        await frames.send([encodeHello(this.#hello())])
        this.#run('hello', () => this.#hearHello(from, hello))
      }),
      transport.handle(FETCH_PROTOCOL, async (_from, stream) => {
        const { repository, graph, cluster } = this.#parts
        await serveFetch({ repository, graph, cluster }, frameStream(stream))
      }),
    )
    this.#isRunning = true
    try {
      this.#joinChannel()
      await transport.start()
    } catch (error) {
      await this.stop()
      throw error
    }
    this.#armExchange()
  }

  /** Closes listener and connections. Idempotent; `start` may follow. */
  async stop(): Promise<void> {
    if (!this.#isRunning) return
    this.#isRunning = false
    this.#stopping.abort()
    for (const timer of [this.#exchangeTimer, this.#wakeTimer, this.#heldTimer]) clearTimeout(timer)
    this.#heldTimer = undefined
    for (const undo of this.#undo.splice(0)) undo()
    await this.#parts.transport.stop()
    await Promise.allSettled(this.#running)
    this.#sync.peers.clear()
    this.#parts.onChange()
  }

  /** `main` moved: others hear of it. */
  announce(): void {
    const { transport, incarnation, cluster, state, graph } = this.#parts
    const id = cluster()
    const now = state()
    if (!this.#isRunning || id === undefined || now === undefined) return
    this.#run('announce', async () => {
      const { clock } = await graph.node(now.main)
      const heads = now.heads.slice(0, MAX_HEADS_PER_MESSAGE)
      const sequence = [incarnation, ++this.#counter] as const
      await transport.broadcast(encodeHeads({ cluster: id, sequence, heads, main: now.main, clock }))
    })
    this.#parts.onChange()
  }

  /** Asks every connected peer for its heads. */
  askAll(): void {
    for (const { id } of this.#parts.transport.peers()) this.#run('hello', () => this.#askHeads(id), id)
  }

  // --- What peers say ------------------------------------------------------------------------------------------------

  #hello(): Hello {
    const { cluster, name, state, transport } = this.#parts
    const now = state()
    const peers = transport.peers().flatMap(({ id }) => this.#book.of(id).addresses)
    return {
      cluster: cluster(),
      name: name(),
      heads: (now?.heads ?? []).slice(0, MAX_HEADS_PER_MESSAGE),
      main: now?.main,
      addresses: fitAddresses(transport.addresses()),
      peers: fitAddresses(peers),
    }
  }

  async #askHeads(peer: NodeId): Promise<void> {
    const stream = await this.#parts.transport.openStream(peer, HELLO_PROTOCOL, { signal: this.#stopping.signal })
    const frames = frameStream(stream)
    await frames.send([encodeHello(this.#hello())])
    await this.#hearHello(peer, decodeHello(await frames.read()))
  }

  async #hearHello(peer: NodeId, hello: Hello): Promise<void> {
    const record = this.#book.of(peer)
    record.name = hello.name
    if (hello.cluster === undefined) return this.#parts.onChange()
    if (this.#parts.cluster() === undefined) {
      await this.#parts.pin(hello.cluster)
      this.#joinChannel()
    }
    const ours = this.#parts.cluster()
    if (ours !== hello.cluster) return this.#refuseCluster(peer, ours, hello.cluster)
    record.error = undefined
    record.addresses = hello.addresses
    await this.#parts.meet([...hello.addresses, ...hello.peers])
    await this.#hear(peer, hello.heads, hello.main)
  }

  async #refuseCluster(peer: NodeId, ours: CommitId | undefined, theirs: CommitId): Promise<void> {
    this.#book.of(peer).error = `it belongs to another cluster (${theirs})`
    this.#parts.log('warn', 'a peer belongs to another cluster', { peer, ours, theirs })
    this.#parts.onChange()
    await this.#parts.transport.disconnect(peer, { forMs: OTHER_CLUSTER_MS })
  }

  #hearHeads(from: NodeId, bytes: Uint8Array): void {
    this.#run('heads', async () => {
      const message = decodeHeads(bytes)
      const record = this.#book.of(from)
      const [incarnation, counter] = message.sequence
      const [lastIncarnation, lastCounter] = record.sequence
      const isNewer = incarnation > lastIncarnation || (incarnation === lastIncarnation && counter > lastCounter)
      if (!isNewer || message.cluster !== this.#parts.cluster()) return
      record.sequence = message.sequence
      await this.#hear(from, message.heads, message.main)
    })
  }

  async #hear(peer: NodeId, heads: readonly CommitId[], main: CommitId | undefined): Promise<void> {
    const { missing, present } = await this.#sortHeads(heads)
    // Here already, but not adopted: a crash came between, or our clock has caught up.
    if (present.length > 0) await this.#parts.adopt(present)
    const record = this.#book.of(peer)
    record.main = main
    record.unknown = missing.length
    record.lastSyncMs = this.#parts.environment.nowMs()
    this.#take({ type: 'heads-told', peer, unknown: missing })
    this.#parts.onChange()
  }

  /** Which heads are not in the repository, and which are but are not part of `main`. */
  async #sortHeads(heads: readonly CommitId[]): Promise<{ missing: CommitId[]; present: CommitId[] }> {
    const { repository, graph, state } = this.#parts
    const missing: CommitId[] = []
    const present: CommitId[] = []
    const ours = state()?.heads ?? []
    for (const head of heads) {
      if (ours.includes(head) || this.#held.has(head)) continue
      if (!(await repository.has(head))) missing.push(head)
      else if (!(await isAncestorOfAny(graph, head, ours))) present.push(head)
    }
    return { missing, present }
  }

  // --- What the sync machine decides ---------------------------------------------------------------------------------

  #take(event: SyncEvent): void {
    if (!this.#isRunning) return
    for (const effect of step(this.#sync, event, this.#parts.environment.monotonicMs())) this.#perform(effect)
    this.#parts.onChange()
  }

  #perform(effect: SyncEffect): void {
    switch (effect.type) {
      case 'ask-heads':
        this.#run('hello', () => this.#askHeads(effect.peer), effect.peer)
        break
      case 'fetch':
        this.#run('fetch', () => this.#fetch(effect.peer, effect.wants.slice(0, MAX_FETCH_WANTS)), effect.peer)
        break
      case 'wake':
        clearTimeout(this.#wakeTimer)
        this.#wakeTimer = setTimeout(
          () => this.#take({ type: 'timer' }),
          Math.max(0, effect.atMs - this.#parts.environment.monotonicMs()),
        )
        break
    }
  }

  async #fetch(peer: NodeId, wants: readonly CommitId[]): Promise<void> {
    let outcome: 'done' | 'failed' | 'refused' = 'failed'
    try {
      await this.#fetchFrom(peer, wants)
      outcome = 'done'
      this.#book.of(peer).error = undefined
    } catch (error) {
      if (isAtollError(error, 'REFUSED')) outcome = 'refused'
      this.#noteFailure('fetch', peer, error)
    } finally {
      this.#take({ type: 'fetch-ended', peer, outcome })
    }
  }

  async #fetchFrom(peer: NodeId, wants: readonly CommitId[]): Promise<void> {
    const { transport, repository, graph, verifySignature, trustedNowMs, cluster, state } = this.#parts
    const id = cluster()
    if (id === undefined) return
    const stream = await transport.openStream(peer, FETCH_PROTOCOL, { signal: this.#stopping.signal })
    const frames = frameStream(stream)
    const now = state()
    const haves = now === undefined ? [] : await sampleHaves(graph, now.heads, id)
    try {
      await fetchPacks(frames, { cluster: id, wants, haves }, async pack => {
        const parts = { repository, cluster: id, verifySignature, nowMs: trustedNowMs, held: this.#held }
        const tips = await takePack(parts, pack.bytes)
        if (tips.length > 0) await this.#parts.adopt(tips)
        this.#take({ type: 'adopted', heads: tips })
      })
    } catch (error) {
      frames.abort(error instanceof Error ? error : new Error(String(error)))
      throw error
    } finally {
      this.#armHeld()
    }
  }

  /** Looks now and then whether our clock has caught up with what is held back. */
  #armHeld(): void {
    if (this.#held.size === 0 || this.#heldTimer !== undefined || !this.#isRunning) return
    this.#heldTimer = setTimeout(() => {
      this.#heldTimer = undefined
      this.#run('held', async () => {
        const freed = this.#held.release(this.#parts.trustedNowMs())
        if (freed.length > 0) await this.#parts.adopt(freed)
      })
      this.#armHeld()
    }, HELD_CHECK_MS)
  }

  #armExchange(): void {
    const [random = 128] = this.#parts.environment.randomBytes(1)
    this.#exchangeTimer = setTimeout(
      () => {
        this.askAll()
        this.#armExchange()
      },
      EXCHANGE_MS * (0.75 + random / 512),
    )
  }

  #joinChannel(): void {
    const cluster = this.#parts.cluster()
    if (cluster !== undefined) this.#parts.transport.joinChannel(globChannel(cluster))
  }

  /** Runs work in the background; `stop` waits for it, and its failure is noted, never thrown. */
  #run(what: string, work: () => Promise<void>, peer?: NodeId): void {
    if (!this.#isRunning) return
    const running = work()
      .catch((error: unknown) => this.#noteFailure(what, peer, error))
      .finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  #noteFailure(what: string, peer: NodeId | undefined, error: unknown): void {
    if (!this.#isRunning) return
    const isRefusal = isAtollError(error, 'REFUSED')
    if (peer !== undefined) {
      const reason = error instanceof Error ? error.message : String(error)
      this.#book.of(peer).error = isRefusal ? `refused: ${reason}` : reason
    }
    const level = error instanceof AtollError && !isRefusal ? 'info' : 'warn'
    this.#parts.log(level, `${what} failed`, { peer, error })
    this.#parts.onChange()
  }
}

/** As many as a message may name, and none that it may not. */
function fitAddresses(addresses: readonly string[]): string[] {
  const fit = addresses.filter(address => address.length <= MAX_ADDRESS_LENGTH)
  return [...new Set(fit)].slice(0, MAX_ADDRESSES_PER_HELLO)
}

async function isAncestorOfAny(graph: CommitGraph, id: CommitId, heads: readonly CommitId[]): Promise<boolean> {
  for (const head of heads) if (await graph.isAncestor(id, head)) return true
  return false
}
