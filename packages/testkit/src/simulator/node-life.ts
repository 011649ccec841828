import {
  ChangeLists,
  CLOCK_ZERO,
  type CommitGraph,
  type CommitId,
  compareClock,
  HybridClock,
  lookupRecord,
  mainOf,
  type RecordRef,
  recordKey,
  reduceHeads,
  type State,
  type StoredContent,
} from '@atolldb/core'
import { fakeSigner } from '../fake-signer.ts'
import { sampleRuleRunner } from '../sample-rules.ts'
import type { LayeredObjects } from './layered-objects.ts'
import type { SimulatedNode } from './simulated-node.ts'
import { type SimulatedChange, type SimulatedEntry, storedContent } from './simulated-disk.ts'
import { Turns } from './turns.ts'

/** Where `main` stands. */
interface Position extends State {
  readonly main: CommitId
}

interface Unsealed {
  readonly entry: SimulatedEntry
  isDurable: boolean
}

/** Entries that one seal takes at most; few, so that a burst becomes several commits. */
const MAX_SEAL_ENTRIES = 12

/**
 * A node from a start to its end: what it has in memory, and how it writes, seals and adopts. The order of what it does is
 * that of the shipped node (`History` and `RecordStore` in `packages/db/src/engine`); what it decides is decided by the
 * rules it was given.
 */
export class NodeLife {
  readonly graph: CommitGraph
  readonly clock: HybridClock
  isOver = false
  readonly #node: SimulatedNode
  readonly #changes: ChangeLists
  readonly #mainTurns = new Turns()
  readonly #unsealed: Unsealed[] = []
  readonly #journalTurns = new Turns()
  #inFlight = 0
  #idle: (() => void) | undefined
  #gate: Promise<void> | undefined
  #position: Position | undefined
  #sequence = 0
  #sealTimer: (() => void) | undefined

  private constructor(node: SimulatedNode, graph: CommitGraph, clock: HybridClock) {
    this.#node = node
    this.graph = graph
    this.clock = clock
    this.#changes = new ChangeLists(graph, node.disk.objects)
  }

  /** What a start finds on the disk. */
  static async begin(node: SimulatedNode): Promise<NodeLife> {
    const { disk, world, rules } = node
    const graph = rules.graph(disk.objects)
    const unsealed = unsealedEntries(disk.frames)
    let latest = CLOCK_ZERO
    if (rules.order.remembersItsClock) {
      if (disk.main !== undefined) latest = (await graph.node(disk.main)).clock
      for (const { clock } of unsealed) if (compareClock(clock, latest) > 0) latest = clock
    }
    const life = new NodeLife(node, graph, new HybridClock(node, latest))
    if (disk.main !== undefined) {
      const { tree } = await graph.node(disk.main)
      life.#position = { main: disk.main, heads: await graph.headsOfMain(disk.main), tree }
    }
    for (const frame of disk.frames) if (frame.type === 'entry') life.#sequence = frame.entry.sequence
    world.trace(
      node.number,
      `finds ${disk.main?.slice(0, 7)}, and unsealed ${unsealed.map(each => each.sequence).join(' ')}`,
    )
    world.witness.started(node.number, life.#position?.heads, unsealed)
    await life.#takeUp(await rules.sortByLineage(graph, node.id, disk.main, world.root, unsealed))
    return life
  }

  get position(): Position | undefined {
    return this.#position
  }

  get unsealedCount(): number {
    return this.#unsealed.length
  }

  // --- Writing and reading -------------------------------------------------------------------------------------------

  /** What `make` reads and what is written are one turn, as in the shipped node. Resolves once it is acknowledged. */
  async write(make: () => Promise<readonly SimulatedChange[]>): Promise<void> {
    const changes = await this.#inOneTurn(make)
    if (changes.length === 0) return
    const { disk, world, rules, number } = this.#node
    const entry = { sequence: ++this.#sequence, main: this.#position?.main, clock: this.clock.tick(), changes }
    disk.append({ type: 'entry', entry })
    const unsealed = { entry, isDurable: false }
    this.#unsealed.push(unsealed)
    world.witness.wrote(number, entry, this.#position?.heads)
    this.#inFlight++
    if (rules.order.syncsJournalBeforeAcknowledging) await this.#syncJournal()
    unsealed.isDurable = true
    world.trace(number, `acknowledges ${entry.sequence}`)
    world.witness.acknowledged(number, entry)
    if (--this.#inFlight === 0) this.#idle?.()
    this.wakeSealer()
  }

  /** Made again where something has changed before it was there. */
  async #inOneTurn<Result>(make: () => Promise<Result>): Promise<Result> {
    for (;;) {
      while (this.#gate !== undefined) await this.#gate
      const position = this.#position
      const sequence = this.#sequence
      const result = await make()
      if (this.#gate === undefined && this.#position === position && this.#sequence === sequence) return result
    }
  }

  /** What a reader sees at this moment. */
  async read(ref: RecordRef): Promise<StoredContent | undefined> {
    const position = this.#position
    const written = this.#lastWritten(ref)
    if (written !== undefined) return storedContent(written)
    return position && lookupRecord(this.#node.disk.objects, position.tree, ref)
  }

  async bytesOf({ version }: StoredContent): Promise<Uint8Array> {
    return this.#node.disk.objects.readBlob(version)
  }

  /** Is there a write that no commit holds yet, which a reader sees instead of the state of `main`? */
  isPending(ref: RecordRef): boolean {
    return this.#lastWritten(ref) !== undefined
  }

  #lastWritten(ref: RecordRef): SimulatedChange | undefined {
    const key = recordKey(ref)
    for (const { entry } of this.#unsealed.toReversed()) {
      const change = entry.changes.findLast(each => recordKey(each) === key)
      if (change !== undefined) return change
    }
    return undefined
  }

  /** One sync for all who wait. */
  #syncJournal(): Promise<void> {
    const { disk } = this.#node
    const written = disk.frames.length
    return this.#journalTurns.take(async () => {
      if (disk.isJournalDurable(written)) return
      const end = disk.beginJournalSync()
      await this.#node.diskWork()
      end()
    })
  }

  // --- Sealing -------------------------------------------------------------------------------------------------------

  wakeSealer(): void {
    if (this.#sealTimer !== undefined || this.#unsealed.length === 0 || this.#position === undefined) return
    const delayMs = this.#node.sealDelayMs()
    this.#sealTimer = this.#node.after(delayMs, () => {
      this.#sealTimer = undefined
      this.#node.run('seal', async () => {
        await this.#mainTurns.take(() => this.#sealOldest())
        this.wakeSealer()
      })
    })
  }

  /** One commit of the oldest durable entries that were made upon one `main`. Returns how many entries it took. */
  async #sealOldest(): Promise<number> {
    const { disk, rules, world, number } = this.#node
    const before = this.#position
    const taken: SimulatedEntry[] = []
    for (const { entry, isDurable } of this.#unsealed) {
      if (!isDurable || taken.length === MAX_SEAL_ENTRIES || (taken[0] ?? entry).main !== entry.main) break
      taken.push(entry)
    }
    const last = taken.at(-1)
    if (before === undefined || last === undefined) return 0
    const stage = disk.objects.stage()
    const sealed = await this.#compose(stage, before.main, taken)
    if (sealed !== undefined) await this.#move({ ...sealed, heads: [sealed.main] }, stage)
    else world.witness.changedNothing(number, taken, before.heads)
    this.#unsealed.splice(0, taken.length)
    if (sealed !== undefined) this.#node.moved(sealed.main, 'sealed')
    if (rules.order.notesWhatIsSealed) {
      disk.append({ type: 'sealed', sequence: last.sequence })
      if (last.sequence !== this.#sequence) await this.#syncJournal()
    }
    return taken.length
  }

  async #compose(
    stage: LayeredObjects,
    main: CommitId,
    entries: readonly SimulatedEntry[],
  ): Promise<{ main: CommitId; tree: Position['tree'] } | undefined> {
    const { id, number, rules, world } = this.#node
    const { tree, clock } = await this.graph.node(main)
    const author = { name: `node-${number}`, signer: fakeSigner(id) }
    const sealed = await rules.composeSeal(stage, { main, tree, clock }, author, entries)
    if (sealed === undefined) return undefined
    world.trace(
      number,
      `seals ${entries.map(entry => entry.sequence).join(' ')} as ${sealed.commit.slice(0, 7)} upon ${main.slice(0, 7)}`,
    )
    await world.witness.sealed(number, stage, sealed.commit, entries)
    return { main: sealed.commit, tree: sealed.tree }
  }

  async #keep(stage: LayeredObjects): Promise<void> {
    const { disk, rules } = this.#node
    disk.writePack(stage)
    if (!rules.order.syncsPacksBeforeMovingMain) return
    const end = disk.beginPackSync()
    await this.#node.diskWork()
    end()
  }

  /** Pack, then ref, then word. */
  async #move(next: Position, stage: LayeredObjects): Promise<void> {
    const { disk, rules, world, number } = this.#node
    await this.#keep(stage)
    disk.moveMain(next.main)
    const end = disk.beginMainSync()
    if (rules.order.syncsMainBeforeTelling) {
      await this.#node.diskWork()
      end()
    } else this.#node.after(50, end)
    this.#position = next
    world.trace(number, `is at ${next.main.slice(0, 7)}`)
    world.witness.moved(number, next.heads)
  }

  // --- Adopting ------------------------------------------------------------------------------------------------------

  /** Adopts commits that are verified and durable here; seals what is pending first. */
  adopt(heads: readonly CommitId[]): Promise<void> {
    return this.#mainTurns.take(() => this.#withoutWriters(() => this.#adoptNow(heads)))
  }

  async #adoptNow(heads: readonly CommitId[]): Promise<void> {
    const { rules } = this.#node
    const { root } = this.#node.world
    if (this.#position === undefined) {
      const { tree } = await this.graph.node(root)
      await this.#move({ main: root, heads: [root], tree }, this.#node.disk.objects.stage())
    }
    if (rules.order.sealsBeforeAdopting) while ((await this.#sealOldest()) > 0);
    const before = this.#position!.heads
    const wanted = await reduceHeads(this.graph, [...before, ...heads])
    const added = wanted.heads.filter(id => !before.includes(id))
    if (added.length > 0 && rules.order.notesWhatIsSealed) await this.#syncJournal()
    if (added.length > 0) await this.#merge(added)
    this.wakeSealer()
  }

  /** Heads that come together are joined by one merge commit. */
  async #merge(added: readonly CommitId[]): Promise<void> {
    const { disk, rules, world } = this.#node
    const stage = disk.objects.stage()
    const context = { store: stage, graph: this.graph, changes: this.#changes, rules: sampleRuleRunner }
    let state: State = this.#position!
    for (const head of added) {
      const { heads, tree } = await rules.mergeHead(context, state, head)
      state = { heads, tree }
      world.counts.merges++
      await this.#node.work(world.options.mergeMs)
    }
    const { id: main } = await mainOf(context, state)
    await this.#move({ ...state, main }, stage)
    this.clock.observe((await this.graph.node(main)).clock)
    this.#node.moved(main, 'adopted')
  }

  /** New writers wait, and those under way have ended. */
  async #withoutWriters(work: () => Promise<void>): Promise<void> {
    let open = (): void => undefined
    this.#gate = new Promise(resolve => (open = resolve))
    try {
      if (this.#inFlight > 0) await new Promise<void>(resolve => (this.#idle = resolve))
      await work()
    } finally {
      this.#gate = undefined
      open()
    }
  }

  /** What a crash left: see `History.takeUp`. */
  async #takeUp({ pending, foreign }: Awaited<ReturnType<SimulatedNode['rules']['sortByLineage']>>): Promise<void> {
    const { disk } = this.#node
    const heads: CommitId[] = []
    for (const { main, entries } of foreign) {
      const stage = disk.objects.stage()
      const sealed = await this.#compose(stage, main, entries)
      if (sealed === undefined) {
        this.#node.world.witness.changedNothing(this.#node.number, entries, await this.graph.headsOfMain(main))
        continue
      }
      await this.#keep(stage)
      heads.push(sealed.main)
    }
    for (const entry of pending) this.#unsealed.push({ entry, isDurable: true })
    if (this.#position === undefined || foreign.length === 0) return
    await this.adopt(heads)
    const last = Math.max(...foreign.map(({ entries }) => entries.at(-1)?.sequence ?? 0))
    disk.append({ type: 'sealed', sequence: last })
    await this.#syncJournal()
  }
}

function unsealedEntries(frames: SimulatedNode['disk']['frames']): SimulatedEntry[] {
  let sealed = 0
  for (const frame of frames) if (frame.type === 'sealed') sealed = Math.max(sealed, frame.sequence)
  return frames.flatMap(frame => (frame.type === 'entry' && frame.entry.sequence > sealed ? [frame.entry] : []))
}
