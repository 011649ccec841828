import {
  type AnnouncingEvent,
  AtollError,
  ChangeLists,
  type CommitId,
  decodeFetchRequest,
  decodeHeads,
  decodeHello,
  encodeFetchRequest,
  encodeHeads,
  encodeHello,
  FETCH_PROTOCOL,
  forgetConnection,
  type GraphNode,
  type Heard,
  headsToTell,
  HELLO_PROTOCOL,
  type Hello,
  isAhead,
  isAtollError,
  isFetching,
  newAnnouncingState,
  newSyncState,
  nothingHeard,
  type NodeId,
  noteTold,
  stepAnnouncing,
  type Sequence,
  type SyncEffect,
  type SyncEvent,
  takeBroadcast,
  takeHello,
} from '@atolldb/core'
import { verifyFakeSignature } from '../fake-signer.ts'
import { sampleRuleRunner } from '../sample-rules.ts'
import type { SimulatedObject } from './layered-objects.ts'
import type { NodeLife } from './node-life.ts'
import type { HeldCommits } from './node-rules.ts'
import type { SimulatedNode } from './simulated-node.ts'
import type { Frame } from './simulated-network.ts'
import { Turns } from './turns.ts'

const EXCHANGE_MS = 30_000
const HELD_CHECK_MS = 1_000
/** Of an object in a pack, beside its bytes. */
const OBJECT_OVERHEAD_BYTES = 8
const FRAME_OVERHEAD_BYTES = 32
/** Commits in one pack; few, so that answers are broken off in the middle. */
const PACK_COMMITS = 4

interface Pack {
  readonly objects: readonly SimulatedObject[]
  readonly commits: readonly CommitId[]
}

/**
 * Keeps a node in step with its peers, as the shipped `Replicator` does: performs what the sync machine of core decides, over
 * the simulated network, with messages of the real form.
 */
export class NodeSync {
  readonly #node: SimulatedNode
  readonly #life: NodeLife
  readonly #machine = newSyncState()
  readonly #announcing = newAnnouncingState()
  readonly #held: HeldCommits
  readonly #arrivals = new Turns()
  readonly #sharedByPeer = new Map<number, readonly CommitId[]>()
  readonly #heardByPeer = new Map<number, Heard>()
  readonly #adopted = new Set<CommitId>()
  #counter = 0
  #isAnnouncing = false
  #isAnnouncementWanted = false
  #wake: (() => void) | undefined
  #announcingWake: (() => void) | undefined
  #heldTimer: (() => void) | undefined

  constructor(node: SimulatedNode, life: NodeLife) {
    this.#node = node
    this.#life = life
    this.#held = node.rules.heldCommits()
  }

  get heldCount(): number {
    return this.#held.size
  }

  start(): void {
    this.#armExchange()
    this.#announce()
  }

  onPeer(type: 'connected' | 'disconnected', peer: number): void {
    forgetConnection(this.#heard(peer))
    this.#take({ type: type === 'connected' ? 'peer-connected' : 'peer-gone', peer: this.#idOf(peer) })
  }

  // --- Telling -------------------------------------------------------------------------------------------------------

  moved(main: CommitId, cause: 'sealed' | 'adopted'): void {
    const peers = this.#node.world.network.peersOf(this.#node.number).length
    this.#takeAnnouncing(cause === 'sealed' ? { type: cause } : { type: cause, peers, random: this.#node.random() })
    this.#take({ type: 'main-moved', main })
  }

  #takeAnnouncing(event: AnnouncingEvent): void {
    const nowMs = this.#node.monotonicMs()
    for (const effect of stepAnnouncing(this.#announcing, event, nowMs)) {
      this.#announcingWake?.()
      if (effect.type === 'announce') this.#announce()
      else
        this.#announcingWake = this.#node.after(effect.atMs - nowMs, () =>
          this.#takeAnnouncing({ type: 'timer', isFetching: isFetching(this.#machine) }),
        )
    }
  }

  /** What is told is the newest: while one announcement is being made, others become one. */
  #announce(): void {
    this.#isAnnouncementWanted = true
    if (this.#isAnnouncing) return
    this.#isAnnouncing = true
    this.#node.run('announce', async () => {
      while (this.#isAnnouncementWanted) {
        this.#isAnnouncementWanted = false
        await this.#announceNow()
      }
      this.#isAnnouncing = false
    })
  }

  async #announceNow(): Promise<void> {
    const { world, number } = this.#node
    const { position } = this.#life
    if (position === undefined) return
    world.witness.told(number, this.#node.hasDurable(position.main))
    const { clock } = await this.#life.graph.node(position.main)
    world.counts.announcements++
    const { main } = position
    const heads = headsToTell(this.#announcing, main, position.heads)
    this.#counter++
    const sequence = this.#sequence()
    world.network.broadcast(number, encodeHeads({ cluster: world.root, sequence, heads, main, clock }))
  }

  #sequence(): Sequence {
    return [this.#node.disk.starts, this.#counter]
  }

  #hello(): Hello {
    const { position } = this.#life
    return {
      cluster: this.#node.world.root,
      name: `node-${this.#node.number}`,
      sequence: this.#sequence(),
      heads: position?.heads ?? [],
      main: position?.main,
      addresses: [],
      peers: [],
    }
  }

  #askHeads(peer: number): void {
    const { world, number } = this.#node
    this.#attempt(async () => {
      await this.#request(peer, HELLO_PROTOCOL, encodeHello(this.#hello()), async content => {
        await this.#hearHello(peer, decodeHello(content as Uint8Array))
      })
      world.trace(number, `exchanged heads with ${peer}`)
    })
  }

  #armExchange(): void {
    const [random = 128] = this.#node.randomBytes(1)
    this.#node.after(EXCHANGE_MS * (0.75 + random / 512), () => {
      for (const peer of this.#node.world.network.peersOf(this.#node.number)) this.#askHeads(peer)
      this.#armExchange()
    })
  }

  // --- Hearing -------------------------------------------------------------------------------------------------------

  onGossip(from: number, bytes: Uint8Array): void {
    const { heads, main, sequence, clock } = decodeHeads(bytes)
    const now = this.#trustedNowMs()
    if (now !== undefined && isAhead(clock, now)) return
    if (!takeBroadcast(this.#heard(from), sequence)) return
    noteTold(this.#announcing, main)
    if (heads.length === 0 && !this.#node.disk.objects.hasNow(main))
      return this.#take({ type: 'main-named', peer: this.#idOf(from), main })
    // Most of what is told is known.
    if (heads.every(head => this.#adopted.has(head))) return
    this.#node.run('hear', () => this.#hear(from, heads))
  }

  async #hearHello(from: number, { sequence, heads }: Hello): Promise<void> {
    if (takeHello(this.#heard(from), sequence)) await this.#hear(from, heads)
  }

  #heard(peer: number): Heard {
    const heard = this.#heardByPeer.get(peer) ?? nothingHeard()
    this.#heardByPeer.set(peer, heard)
    return heard
  }

  async #hear(from: number, heads: readonly CommitId[]): Promise<void> {
    const { disk } = this.#node
    for (const head of this.#life.position?.heads ?? []) this.#adopted.add(head)
    const missing = heads.filter(head => !disk.objects.hasNow(head))
    const present = heads.filter(head => disk.objects.hasNow(head))
    if (present.length > 0) this.#sharedByPeer.set(from, present)
    this.#take({ type: 'heads-told', peer: this.#idOf(from), unknown: missing })
    const news = present.filter(head => !this.#adopted.has(head))
    if (news.length > 0) await this.#arrivals.take(() => this.#adopt(news))
  }

  #trustedNowMs(): number | undefined {
    return this.#node.rules.trustedNowMs(this.#node.nowMs(), this.#life.clock.peek())
  }

  // --- What the sync machine decides ---------------------------------------------------------------------------------

  #take(event: SyncEvent): void {
    for (const effect of this.#node.rules.step(this.#machine, event, this.#node.monotonicMs())) this.#perform(effect)
  }

  #perform(effect: SyncEffect): void {
    switch (effect.type) {
      case 'ask-heads':
        this.#askHeads(this.#numberOf(effect.peer))
        break
      case 'fetch':
        this.#node.run('fetch', () => this.#fetch(effect))
        break
      case 'wake':
        this.#wake?.()
        this.#wake = this.#node.after(effect.atMs - this.#node.monotonicMs(), () => this.#take({ type: 'timer' }))
        break
    }
  }

  async #fetch({ peer, fetch, wants }: SyncEffect & { type: 'fetch' }): Promise<void> {
    const { objects } = this.#node.disk
    let outcome: 'done' | 'failed' | 'refused' = 'failed'
    try {
      const missing = wants.filter(want => !objects.hasNow(want))
      if (missing.length > 0) await this.#fetchFrom(peer, fetch, missing)
      const delivered = wants.filter(want => objects.hasNow(want))
      this.#take({ type: 'arrived', commits: delivered })
      if (delivered.length === wants.length) outcome = 'done'
    } catch (error) {
      if (!isAtollError(error)) throw error
      if (error.code === 'REFUSED') {
        outcome = 'refused'
        this.#node.world.fail(`node ${this.#node.number} refused what node ${this.#numberOf(peer)} sent`, error)
      } else if (error.code !== 'UNAVAILABLE') throw error
    }
    this.#take({ type: 'fetch-ended', peer, fetch, outcome })
  }

  async #fetchFrom(peer: NodeId, fetch: number, wants: readonly CommitId[]): Promise<void> {
    const { rules, world } = this.#node
    const { position, graph } = this.#life
    const from = this.#numberOf(peer)
    const ours = position === undefined ? [] : [...position.heads, ...this.#held.heads()]
    const shared = this.#sharedByPeer.get(from) ?? []
    const haves = position === undefined ? [] : await rules.sampleHaves(graph, ours, shared, world.root)
    const request = encodeFetchRequest({ cluster: world.root, wants, haves })
    world.trace(this.#node.number, `fetches ${wants.length} of ${from}`)
    await this.#request(from, FETCH_PROTOCOL, request, async content => {
      const isNews = await this.#arrivals.take(() => this.#takePack(content as Pack))
      if (isNews) this.#take({ type: 'fetch-progress', peer, fetch })
    })
  }

  /** Verified, whole, durable, adopted. @throws REFUSED */
  async #takePack({ objects, commits }: Pack): Promise<boolean> {
    const { disk, rules, world } = this.#node
    const fresh = commits.filter(id => !disk.objects.hasNow(id))
    const quarantine = disk.objects.stage()
    for (const object of objects) quarantine.put(object)
    const graph = rules.graph(quarantine)
    const changes = new ChangeLists(graph, quarantine)
    const nodes: GraphNode[] = []
    try {
      for (const id of commits) {
        const node = await graph.node(id)
        nodes.push(node)
        if (disk.objects.hasNow(id)) continue
        // Of a merge commit its tree, recomputed, is needed; else what is recomputed goes nowhere.
        const store = node.type === 'merge' ? quarantine : quarantine.stage()
        await rules.verifyCommit(
          { store, graph, changes, verifySignature: verifyFakeSignature, cluster: world.root, rules: sampleRuleRunner },
          id,
        )
        if (node.type === 'merge') continue
        const [parent] = node.parents
        const before = parent === undefined ? undefined : (await graph.node(parent)).tree
        for await (const ids of rules.newObjects(quarantine, before, node.tree))
          for (const object of ids) if (!quarantine.hasNow(object)) throw refused(`object ${object} is missing`)
      }
    } catch (error) {
      throw isAtollError(error, 'MISSING') ? refused(error.message) : error
    }
    world.counts.verified += fresh.length
    await this.#node.work(world.options.verifyMs * fresh.length)
    disk.writePack(quarantine)
    const end = disk.beginPackSync()
    await this.#node.diskWork()
    end()
    const seen = new Set(nodes.flatMap(node => (node.type === 'merge' ? [] : node.seen)))
    const tips = nodes.filter(node => node.type !== 'merge' && !seen.has(node.id)).map(node => node.id)
    await this.#adopt(tips)
    this.#take({ type: 'arrived', commits: tips })
    return fresh.length > 0
  }

  async #adopt(commits: readonly CommitId[]): Promise<void> {
    const { graph, position } = this.#life
    const { free, tips } = await this.#held.sift(graph, position?.heads ?? [], commits, this.#trustedNowMs())
    await this.#node.world.witness.adopts(this.#node.number, graph, tips, this.#trustedNowMs())
    if (tips.length > 0) await this.#life.adopt(tips)
    this.#held.release(free)
    for (const id of free) this.#adopted.add(id)
    this.#armHeld()
  }

  #armHeld(): void {
    if (this.#held.size === 0 || this.#heldTimer !== undefined) return
    this.#heldTimer = this.#node.after(HELD_CHECK_MS, () => {
      this.#heldTimer = undefined
      if (this.#held.isAnyDue(this.#trustedNowMs()))
        this.#node.run('held', () => this.#arrivals.take(() => this.#adopt(this.#held.heads())))
      this.#armHeld()
    })
  }

  // --- Answering -----------------------------------------------------------------------------------------------------

  onRequest(from: number, protocol: string, bytes: Uint8Array): AsyncIterable<Frame> {
    return protocol === HELLO_PROTOCOL ? this.#answerHello(from, bytes) : this.#answerFetch(bytes)
  }

  async *#answerHello(from: number, bytes: Uint8Array): AsyncGenerator<Frame> {
    const theirs = decodeHello(bytes)
    this.#node.run('hear', () => this.#hearHello(from, theirs))
    const ours = encodeHello(this.#hello())
    yield { sizeBytes: ours.length, content: ours }
  }

  async *#answerFetch(bytes: Uint8Array): AsyncGenerator<Frame> {
    const { rules, disk } = this.#node
    const { wants, haves } = decodeFetchRequest(bytes)
    const { graph } = this.#life
    const plan = await rules.planFetch(disk.objects, graph, wants, haves, async () => undefined)
    for (let first = 0; first < plan.length; first += PACK_COMMITS) {
      const objects = new Map<string, SimulatedObject>()
      const commits: CommitId[] = []
      const add = (id: CommitId | SimulatedObject['id']): void => void objects.set(id, disk.objects.get(id)!)
      for (const { commit, merge } of plan.slice(first, first + PACK_COMMITS)) {
        if (merge !== undefined) {
          add(merge)
          commits.push(merge)
        }
        const [parent] = commit.parents
        const before = parent === undefined ? undefined : (await graph.node(parent)).tree
        for await (const ids of rules.objectsToSend(disk.objects, before, commit.tree)) ids.forEach(add)
        add(commit.id)
        commits.push(commit.id)
      }
      let sizeBytes = FRAME_OVERHEAD_BYTES
      for (const object of objects.values()) sizeBytes += object.sizeBytes + OBJECT_OVERHEAD_BYTES
      yield { sizeBytes, content: { objects: [...objects.values()], commits } satisfies Pack }
    }
    yield { sizeBytes: FRAME_OVERHEAD_BYTES, content: { objects: [], commits: [] } satisfies Pack }
  }

  // --- The network ---------------------------------------------------------------------------------------------------

  async #request(
    peer: number,
    protocol: string,
    message: Uint8Array,
    take: (content: unknown) => Promise<void>,
  ): Promise<void> {
    const { world, number } = this.#node
    await world.network.request(number, peer, protocol, message, async content => {
      // What comes for a process that has ended comes for nobody.
      if (this.#life.isOver) await new Promise(() => undefined)
      await take(content)
    })
  }

  /** A connection that ends is nobody's fault. */
  #attempt(work: () => Promise<void>): void {
    this.#node.run('request', async () => {
      try {
        await work()
      } catch (error) {
        if (!isAtollError(error, 'UNAVAILABLE')) throw error
      }
    })
  }

  #idOf(number: number): NodeId {
    return this.#node.world.nodes[number]!.id
  }

  #numberOf(id: NodeId): number {
    return this.#node.world.numberOf(id)
  }
}

function refused(reason: string): AtollError<'REFUSED'> {
  return new AtollError('REFUSED', `a pack is refused: ${reason}`, { reason })
}
