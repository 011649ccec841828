import {
  AtollError,
  type ChangeList,
  type CommitGraph,
  type CommitId,
  decodeHeads,
  disconnectAll,
  type Environment,
  FETCH_PROTOCOL,
  forgetConnection,
  globChannel,
  HELLO_PROTOCOL,
  type Hello,
  isAhead,
  isAtollError,
  MAX_HEADS_PER_MESSAGE,
  isFetching,
  newSyncState,
  type NodeId,
  step,
  type SyncEffect,
  type SyncEvent,
  takeBroadcast,
  takeHello,
  type Transport,
  type RuleRunner,
  type VerifyCommitSignature,
} from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { Log } from '../api/database.ts'
import type { PeerStatus } from '../api/status.ts'
import type { BranchState, MoveCause } from '../engine/branch.ts'
import type { Incoming } from '../engine/incoming.ts'
import { Mutex } from '../scheduling/mutex.ts'
import { Announcer } from './announcer.ts'
import { type ArrivalParts, takePack } from './arrival.ts'
import { fetchPacks } from './fetch-client.ts'
import { sampleHaves } from './fetch-plan.ts'
import { FetchServer } from './fetch-server.ts'
import { type FrameStream, frameStream, protocolError } from './frames.ts'
import { HeldCommits } from './held-commits.ts'
import { answerHello, composeHello, sayHello } from './hello.ts'
import { Newest } from './newest.ts'
import { PeerBook } from './peer-book.ts'
import { ToldHeads } from './told-heads.ts'

/** Heads are exchanged this often even when nothing was heard, give or take a quarter. */
const EXCHANGE_MS = 30_000
/** A peer of another cluster is not spoken to again before this. */
const OTHER_CLUSTER_MS = 60_000
/** It is let go this late, so that it hears the reason too. */
const PARTING_MS = 500
const HELD_CHECK_MS = 1_000
/** A peer that sends so many packs in a row with nothing new in them has been overtaken by another. */
const MAX_STALE_PACKS = 4

export interface ReplicatorParts {
  readonly transport: Transport
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly environment: Environment
  readonly verifySignature: VerifyCommitSignature
  readonly rules: RuleRunner
  readonly log: Log
  readonly name: () => string
  readonly incarnation: number
  readonly cluster: () => CommitId | undefined
  readonly state: () => BranchState | undefined
  /** Keeps what a data commit changed, for merges to come. */
  readonly noteChanges: (commit: CommitId, changes: ChangeList) => void
  /** The node has no cluster yet, and a peer told its own: belong to that one from now on. */
  readonly pin: (cluster: CommitId) => Promise<void>
  /** Addresses of members, to be dialled from now on, over restarts too. */
  readonly meet: (addresses: readonly string[]) => Promise<void>
  /** Adopt verified commits that are in the repository, or are about to be: then, once they are. */
  readonly adopt: (heads: readonly CommitId[], incoming?: Incoming) => Promise<void>
  /** Runs what makes a pack durable: not on a disk that failed before, and nothing is written any more where it fails. */
  readonly keep: ArrivalParts['keep']
  /** Something that status shows has changed. */
  readonly onChange: () => void
  /** The wall clock to hold commits against; undefined while it cannot be trusted. */
  readonly trustedNowMs: () => number | undefined
}

/** Heads as a peer told them, with its `main`, which is for status only. */
interface Told {
  readonly heads: readonly CommitId[]
  readonly main: CommitId | undefined
}

/**
 * Keeps this node in step with its peers: performs what the sync machine of core decides, over the transport. Everything
 * that arrives is verified before it counts.
 */
export class Replicator {
  readonly #parts: ReplicatorParts
  readonly #sync = newSyncState()
  readonly #book: PeerBook
  readonly #told: ToldHeads
  readonly #held = new HeldCommits()
  readonly #server = new FetchServer()
  readonly #hearing: Newest<NodeId, Told>
  readonly #announcer: Announcer
  /** `start` and `stop`, one at a time. */
  readonly #lifecycle = new Mutex()
  readonly #pinning = new Mutex()
  /** Verifies and adopts, one pack at a time: the next one meets a repository that has what the one before brought. */
  readonly #arrivals = new Mutex()
  readonly #undo: (() => void)[] = []
  readonly #running = new Set<Promise<void>>()
  #stopping = new AbortController()
  #exchangeTimer: NodeJS.Timeout | undefined
  #wakeTimer: NodeJS.Timeout | undefined
  #heldTimer: NodeJS.Timeout | undefined
  #isRunning = false

  constructor(parts: ReplicatorParts) {
    this.#parts = parts
    this.#book = new PeerBook(parts.transport)
    this.#told = new ToldHeads(parts.repository, parts.graph)
    this.#hearing = new Newest((peer, told) => this.#hear(peer, told))
    this.#announcer = new Announcer({
      ...parts,
      isFetching: () => isFetching(this.#sync),
      run: work => this.#run('announce', work),
    })
  }

  get isRunning(): boolean {
    return this.#isRunning
  }

  /** Commits held back because their clock is ahead of ours. */
  get heldCount(): number {
    return this.#held.size
  }

  peers(): PeerStatus[] {
    return this.#book.status()
  }

  addresses(): string[] {
    return this.#parts.transport.addresses()
  }

  /** Listens, dials and keeps in step from now on. @throws ADDRESS_IN_USE, INVALID */
  start(): Promise<void> {
    return this.#lifecycle.run(async () => {
      if (this.#isRunning) return
      this.#stopping = new AbortController()
      this.#isRunning = true
      this.#listen(this.#stopping.signal)
      try {
        this.#joinChannel()
        await this.#parts.transport.start()
      } catch (error) {
        await this.#stop()
        throw error
      }
      this.#armExchange()
      this.#armHeld()
    })
  }

  /** Closes listener and connections; nothing runs any more when it resolves. Idempotent; `start` may follow. */
  stop(): Promise<void> {
    return this.#lifecycle.run(() => this.#stop())
  }

  #listen(signal: AbortSignal): void {
    const { transport, repository, graph, cluster } = this.#parts
    this.#undo.push(
      transport.onPeer(({ type, peer }) => {
        forgetConnection(this.#book.of(peer).heard)
        this.#take({ type: type === 'connected' ? 'peer-connected' : 'peer-gone', peer })
      }),
      transport.onBroadcast((from, message) => this.#run('heads', () => this.#hearBroadcast(from, message))),
      transport.handle(HELLO_PROTOCOL, (from, stream) =>
        this.#answer(
          answerHello(
            frameStream(stream),
            () => this.#hello(),
            hello => this.#run('hello', () => this.#hearHello(from, hello), from),
          ),
        ),
      ),
      transport.handle(FETCH_PROTOCOL, (from, stream) =>
        this.#answer(this.#server.answer({ repository, graph, cluster, signal }, from, frameStream(stream))),
      ),
    )
  }

  async #stop(): Promise<void> {
    if (!this.#isRunning) return
    this.#isRunning = false
    this.#stopping.abort(new AtollError('ABORTED', 'the node goes offline', { what: 'replication' }))
    for (const timer of [this.#exchangeTimer, this.#wakeTimer, this.#heldTimer]) clearTimeout(timer)
    this.#heldTimer = undefined
    this.#announcer.stop()
    for (const undo of this.#undo.splice(0)) undo()
    await this.#parts.transport.stop()
    while (this.#running.size > 0) await Promise.allSettled(this.#running)
    disconnectAll(this.#sync)
    this.#parts.onChange()
  }

  /** `main` moved: others hear of it, of what this node sealed at once. */
  moved(main: CommitId, cause: MoveCause): void {
    if (this.#isRunning) this.#announcer.moved(cause)
    this.#take({ type: 'main-moved', main })
  }

  /** Asks every connected peer for its heads. Returns the moment before, for `holders`. */
  askAll(): number {
    const sinceMs = this.#parts.environment.monotonicMs()
    for (const { id } of this.#parts.transport.peers()) this.#run('hello', () => this.#askHeads(id), id)
    return sinceMs
  }

  /** Connected peers that hold that `main` by their last word; where a moment is given, they were asked then or later. */
  holders(main: CommitId, sinceMs = -Infinity): NodeId[] {
    return this.#book.holders(main, sinceMs)
  }

  // --- What peers say ------------------------------------------------------------------------------------------------

  #hello(): Hello {
    const { cluster, name, state, transport } = this.#parts
    const { sequence } = this.#announcer
    return composeHello({ transport, book: this.#book, name: name(), sequence, cluster: cluster(), state: state() })
  }

  async #askHeads(peer: NodeId): Promise<void> {
    const askedMs = this.#parts.environment.monotonicMs()
    const frames = await this.#openFrames(peer, HELLO_PROTOCOL)
    const hello = await sayHello(frames, this.#hello())
    this.#book.of(peer).askedMs = askedMs
    await this.#hearHello(peer, hello)
  }

  async #openFrames(peer: NodeId, protocol: string): Promise<FrameStream> {
    const { signal } = this.#stopping
    return frameStream(await this.#parts.transport.openStream(peer, protocol, { signal }))
  }

  async #hearHello(peer: NodeId, hello: Hello): Promise<void> {
    const record = this.#book.of(peer)
    record.name = hello.name
    record.error = undefined
    if (hello.cluster === undefined) return this.#parts.onChange()
    await this.#pinOnce(hello.cluster)
    const ours = this.#parts.cluster()
    if (ours !== hello.cluster) return this.#refuseCluster(peer, ours, hello.cluster)
    record.addresses = hello.addresses
    await this.#parts.meet([...hello.addresses, ...hello.peers])
    // What it says of its state may have been overtaken on the channel.
    if (!takeHello(record.heard, hello.sequence)) return this.#parts.onChange()
    record.main = hello.main
    await this.#hearing.put(peer, hello)
  }

  /** The first cluster that a node without one hears of is its own from then on. */
  async #pinOnce(cluster: CommitId): Promise<void> {
    await this.#pinning.run(async () => {
      if (this.#parts.cluster() !== undefined) return
      await this.#parts.pin(cluster)
      this.#joinChannel()
      // Others who look for a cluster know us only.
      this.askAll()
    })
  }

  async #refuseCluster(peer: NodeId, ours: CommitId | undefined, theirs: CommitId): Promise<void> {
    this.#book.of(peer).error = `OTHER_CLUSTER: it belongs to the cluster ${theirs}`
    this.#parts.log('warn', 'a peer belongs to another cluster', { peer, ours, theirs })
    this.#parts.onChange()
    await pause(PARTING_MS, this.#stopping.signal)
    if (this.#isRunning) await this.#parts.transport.disconnect(peer, { forMs: OTHER_CLUSTER_MS })
  }

  async #hearBroadcast(from: NodeId, bytes: Uint8Array): Promise<void> {
    const { cluster, heads, main, sequence, clock } = decodeHeads(bytes)
    const now = this.#parts.trustedNowMs()
    if (cluster !== this.#parts.cluster() || (now !== undefined && isAhead(clock, now))) return
    const record = this.#book.of(from)
    if (!takeBroadcast(record.heard, sequence)) return
    record.main = main
    this.#announcer.heard(main)
    await this.#hearing.put(from, { heads, main })
  }

  async #hear(peer: NodeId, { heads, main }: Told): Promise<void> {
    this.#parts.onChange()
    // Its heads have been told by others. Where we have come to the same, we have them all; else they are on their way.
    if (heads.length === 0 && main !== undefined && !(await this.#parts.repository.has(main)))
      return this.#take({ type: 'main-named', peer, main })
    const ours = this.#parts.state()?.heads ?? []
    const { missing, present, adopted } = await this.#told.sort(heads, ours)
    const record = this.#book.of(peer)
    record.unknown = missing.length
    record.lastSyncMs = this.#parts.environment.nowMs()
    if (missing.length === 0) record.fetchError = undefined
    if (present.length + adopted.length > 0) record.shared = [...present, ...adopted]
    this.#take({ type: 'heads-told', peer, unknown: missing })
    if (present.length > 0) await this.#arrivals.run(() => this.#adopt(present))
    // Where it told them all.
    if (missing.length === 0 && heads.length > 0 && heads.length < MAX_HEADS_PER_MESSAGE)
      await this.#held.forgetReplaced(this.#parts.graph, peer, heads)
    this.#parts.onChange()
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
        this.#run('fetch', () => this.#fetch(effect))
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

  async #fetch({ peer, fetch, wants }: SyncEffect & { type: 'fetch' }): Promise<void> {
    let outcome: 'done' | 'failed' | 'refused' = 'failed'
    try {
      const missing = await this.#missing(wants)
      if (missing.length > 0) await this.#fetchFrom(peer, fetch, missing)
      const undelivered = await this.#missing(wants)
      this.#take({ type: 'arrived', commits: wants.filter(want => !undelivered.includes(want)) })
      if (undelivered.length > 0) throw protocolError(`it told of ${undelivered[0]}, and does not send it`)
      outcome = 'done'
      this.#book.of(peer).fetchError = undefined
    } catch (error) {
      if (isAtollError(error, 'REFUSED')) outcome = 'refused'
      this.#noteFetchFailure(peer, error)
    } finally {
      this.#take({ type: 'fetch-ended', peer, fetch, outcome })
    }
  }

  async #missing(commits: readonly CommitId[]): Promise<CommitId[]> {
    const missing: CommitId[] = []
    for (const commit of commits) if (!(await this.#parts.repository.has(commit))) missing.push(commit)
    return missing
  }

  async #fetchFrom(peer: NodeId, fetch: number, wants: readonly CommitId[]): Promise<void> {
    const { repository, graph } = this.#parts
    const cluster = this.#parts.cluster()
    if (cluster === undefined) return
    const frames = await this.#openFrames(peer, FETCH_PROTOCOL)
    let before: Promise<void> = Promise.resolve()
    let stalePacks = 0
    const note = (isNews: boolean): void => {
      if (isNews) this.#take({ type: 'fetch-progress', peer, fetch })
      stalePacks = isNews ? 0 : stalePacks + 1
      if (stalePacks >= MAX_STALE_PACKS) throw new AtollError('ABORTED', 'another peer was faster', { what: 'fetch' })
    }
    try {
      const heads = this.#parts.state()?.heads
      const ours = heads === undefined ? [] : [...heads, ...this.#held.heads()]
      const shared = heads === undefined ? [] : this.#book.of(peer).shared
      const haves = heads === undefined ? [] : await sampleHaves(graph, ours, shared, cluster)
      await fetchPacks(frames, { cluster, wants, haves }, async ({ bytes }) => {
        // The next pack comes in while the one before it is verified: no more than two are in quarantine.
        const pack = await repository.receivePack(bytes)
        await before.catch(async (error: unknown) => {
          await pack.discard()
          throw error
        })
        before = this.#arrivals.run(() => this.#takePack(pack, cluster)).then(note)
        // Told when it is awaited; until then it ends the stream.
        before.catch((error: unknown) => frames.abort(error))
      })
      await before
    } catch (error) {
      frames.abort(error)
      // What came whole counts, and why it was refused says more than how the stream ended.
      await before
      throw error
    }
  }

  async #takePack(pack: Parameters<typeof takePack>[1], cluster: CommitId): Promise<boolean> {
    const { repository, verifySignature, rules, trustedNowMs: nowMs, state, keep } = this.#parts
    const { signal } = this.#stopping
    const roomToHold = (): number => this.#held.room
    // Who has nothing but the beginning merges with nothing.
    const noteChanges = state()?.main === cluster ? undefined : this.#parts.noteChanges
    const adopt: ArrivalParts['adopt'] = (tips, incoming) => this.#adopt(tips, incoming)
    const parts = { repository, cluster, verifySignature, rules, nowMs, roomToHold, noteChanges, keep, adopt, signal }
    const { tips, isNews } = await takePack(parts, pack)
    this.#take({ type: 'arrived', commits: tips })
    return isNews
  }

  /** Adopts verified commits, except for those that our clock is not ready for. */
  async #adopt(commits: readonly CommitId[], incoming?: Incoming): Promise<void> {
    const { graph, state, trustedNowMs } = this.#parts
    const isSoon = incoming?.continues(state()?.heads ?? []) === true
    if (!isSoon) await incoming?.durable
    // Of what need not be held nothing is noted before it is durable.
    const [reader, nowMs] = isSoon ? [incoming.graph, undefined] : [graph, trustedNowMs()]
    const { free, tips, known } = await this.#held.sift(reader, state()?.heads ?? [], commits, nowMs)
    if (tips.length > 0) await this.#parts.adopt(tips, incoming)
    this.#held.release(free)
    this.#told.noteAdopted(known)
    this.#armHeld()
  }

  /** Looks now and then whether our clock has caught up with what is held back. */
  #armHeld(): void {
    if (this.#held.size === 0 || this.#heldTimer !== undefined || !this.#isRunning) return
    this.#heldTimer = setTimeout(() => {
      this.#heldTimer = undefined
      if (this.#held.isAnyDue(this.#parts.trustedNowMs()))
        this.#run('held', () => this.#arrivals.run(() => this.#adopt(this.#held.heads())))
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

  // --- Work in the background ----------------------------------------------------------------------------------------

  /** Runs work in the background; `stop` waits for it, and its failure is noted, never thrown. */
  #run(what: string, work: () => Promise<void>, peer?: NodeId): void {
    if (this.#isRunning) this.#track(work().catch((error: unknown) => this.#noteFailure(what, peer, error)))
  }

  /** An answer to a peer: its failure is the transport's, which breaks the stream off. */
  async #answer(answering: Promise<void>): Promise<void> {
    this.#track(answering.catch(() => undefined))
    await answering
  }

  #track(work: Promise<void>): void {
    const running = work.finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  #noteFailure(what: string, peer: NodeId | undefined, error: unknown): void {
    if (!this.#isRunning) return
    if (peer !== undefined) this.#book.of(peer).error = error instanceof Error ? error.message : String(error)
    this.#parts.log(error instanceof AtollError ? 'info' : 'warn', `${what} failed`, { peer, error })
    this.#parts.onChange()
  }

  #noteFetchFailure(peer: NodeId, error: unknown): void {
    if (!this.#isRunning) return
    const isRefusal = isAtollError(error, 'REFUSED')
    const reason = error instanceof Error ? error.message : String(error)
    if (!isAtollError(error, 'ABORTED')) this.#book.of(peer).fetchError = isRefusal ? `refused: ${reason}` : reason
    this.#parts.log(error instanceof AtollError && !isRefusal ? 'info' : 'warn', 'fetch failed', { peer, error })
    this.#parts.onChange()
  }
}

/** Resolves after that time, or when aborted. */
function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise(resolve => {
    const timer = setTimeout(resolve, ms)
    signal.addEventListener('abort', () => {
      clearTimeout(timer)
      resolve()
    })
  })
}
