import {
  addHeads,
  assert,
  type ChangeList,
  type ChangeLists,
  type CommitGraph,
  type CommitId,
  type GraphNode,
  type HybridClock,
  isSameHeads,
  mainOf,
  MAX_COMMIT_CHANGES,
  MAX_COMMIT_VALUE_BYTES,
  MAX_MERGE_HEADS,
  mergeHeads,
  type MergeContext,
  type ObjectId,
  type RecordKey,
  recordKey,
  type RuleRunner,
  reduceHeads,
  writeState,
} from '@atolldb/core'
import type { Repository, StagedObjects } from '@atolldb/git'
import type { Journal } from '../journal/journal.ts'
import type { Log } from '../api/database.ts'
import type { JournalEntry } from '../journal/frame.ts'
import { viewChanges } from '../view/fill.ts'
import type { ViewChange } from '../view/view.ts'
import { type Branch, type BranchState, type MoveCause, noCluster } from './branch.ts'
import type { ChangeLog } from './change-log.ts'
import type { SortedEntries } from './lineage.ts'
import { breathe } from '../scheduling/breathe.ts'
import { Mutex } from '../scheduling/mutex.ts'
import type { Cell } from './memory-table.ts'
import { differingRecords, saidRecords } from './merged-changes.ts'
import { readNamed } from './named-objects.ts'
import type { RecordStore } from './record-store.ts'
import { fittingEntries } from './fitting-entries.ts'
import type { Incoming } from './incoming.ts'
import { onTrustedDisk } from './trusted-disk.ts'
import { type Author, composeSeal, type SealParent } from './seal.ts'

/** From so many records on that a merge gives another value, readers have them before its trees are written. */
const LARGE_MERGE_EDITS = 1_000
/** Naming more would take longer than the trees. */
const LARGE_MERGE_HEADS = 4

export interface HistoryParts {
  readonly repository: Repository
  readonly branch: Branch
  readonly graph: CommitGraph
  readonly changes: ChangeLists
  /** Is told what each sealed commit changed. */
  readonly changeLog: ChangeLog | undefined
  readonly journal: Journal
  readonly store: RecordStore
  readonly clock: HybridClock
  readonly rules: RuleRunner
  readonly author: () => Author
  readonly monotonicMs: () => number
  readonly log: Log
  /** `main` moved, and is durable. */
  readonly onMoved: (state: BranchState, cause: MoveCause) => void
  /**
   * Entries are in a commit that made those changes, or changed nothing: in the turn in which the store knows it. The journal is
   * told once it resolves.
   */
  readonly onSealed: (entries: readonly JournalEntry[], changes: ChangeList | undefined) => Promise<void>
}

/**
 * The one place where `main` moves: by sealing what this node wrote, and by adopting what others wrote. One at a time; what
 * is pending is always sealed before something is adopted, so that a change made without seeing another stays concurrent
 * with it.
 */
export class History {
  readonly #parts: HistoryParts
  readonly #mutex = new Mutex()
  #sealFailure: Error | undefined

  constructor(parts: HistoryParts) {
    this.#parts = parts
  }

  /** Is there a `main` to seal upon? */
  get hasBegun(): boolean {
    return this.#parts.branch.state !== undefined
  }

  /** Why what is pending cannot be sealed now: there is no cluster yet, or why it failed the last time. */
  get sealObstacle(): Error | undefined {
    return this.hasBegun ? this.#sealFailure : noCluster()
  }

  /**
   * Seals everything acknowledged before the call. Durable when it resolves: pack, then index, then ref (I4).
   * @throws NO_CLUSTER, STORAGE_FULL, STORAGE_FAILED; nothing is lost, the journal keeps it
   */
  seal(): Promise<BranchState> {
    return this.#exclusively(async () => {
      const sealed = await this.#sealAll(this.#parts.store.pendingChanges)
      await this.#adoptWaiting()
      return this.#parts.branch.state ?? sealed
    })
  }

  /** Seals what fits one commit: the sealer's step. */
  sealOnce(): Promise<void> {
    return this.#exclusively(async () => {
      await this.#sealOldest()
      await this.#adoptWaiting()
    })
  }

  /** A commit that saw every head of `main` leaves room for heads that wait. */
  async #adoptWaiting(): Promise<void> {
    const { branch, store } = this.#parts
    if (branch.waiting.length > 0) await store.withoutWriters(() => this.#adoptNow([]))
  }

  #exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    return this.#mutex.run(async () => {
      const { journal, repository } = this.#parts
      try {
        return await onTrustedDisk(journal, () => readNamed(repository, work))
      } catch (error) {
        this.#parts.store.recheckRoom()
        throw error
      }
    })
  }

  async #sealAll(changes: number): Promise<BranchState> {
    let left = changes
    while (left > 0) left -= await this.#sealOldest()
    const { state } = this.#parts.branch
    if (state === undefined) throw noCluster()
    return state
  }

  async #sealOldest(): Promise<number> {
    try {
      const changes = await readNamed(this.#parts.repository, () => this.#sealOldestNow())
      this.#sealFailure = undefined
      return changes
    } catch (error) {
      this.#sealFailure = error instanceof Error ? error : new Error(String(error))
      throw error
    }
  }

  /** One commit of the oldest pending entries upon `main`. Returns how many changes it took. */
  async #sealOldestNow(): Promise<number> {
    const { branch, store, journal, repository, author, changeLog } = this.#parts
    const { state } = branch
    if (state === undefined) throw noCluster()
    const entries = store.oldestPending(MAX_COMMIT_CHANGES, MAX_COMMIT_VALUE_BYTES)
    const last = entries.at(-1)
    if (last === undefined) return 0
    const stage = repository.stage()
    const sealed = await composeSeal(stage, await this.#parent(state), author(), entries)
    if (sealed !== undefined) {
      const next = { main: sealed.commit, heads: [sealed.commit], tree: sealed.tree }
      await branch.move(next, { objects: stage.commit() })
      changeLog?.note(sealed.commit, sealed.changes)
    }
    const main = sealed?.commit ?? state.main
    store.sealed(entries, main)
    const noted = this.#parts.onSealed(entries, sealed?.changes)
    // The ref is durable: peers need not wait for the note.
    if (sealed !== undefined && branch.state !== undefined) this.#parts.onMoved(branch.state, 'sealed')
    await noted
    await journal.sealed(last.sequence, sealed?.commit ?? dataCommitOf(state))
    return entries.reduce((sum, entry) => sum + entry.changes.length, 0)
  }

  async #parent(state: BranchState): Promise<SealParent> {
    const { clock } = await this.#parts.graph.node(state.main)
    return { main: state.main, tree: state.tree, clock }
  }

  /**
   * Adopts data commits that are verified and durable in the repository, with all they descend from: seals what is pending,
   * merges, makes the result visible at once, and moves `main`. Returns whether `main` moved. What is `incoming` need not be
   * durable yet: `main` moves, and readers see it, once it is.
   *
   * @throws what `incoming.durable` failed with: then `main` is where it was, or where what was pending took it
   */
  adopt(heads: readonly CommitId[], incoming?: Incoming): Promise<boolean> {
    return this.#exclusively(() => this.#parts.store.withoutWriters(() => this.#adoptNow(heads, incoming)))
  }

  /** Runs work while `main` stands still. */
  whileStill<Result>(work: (state: BranchState | undefined) => Promise<Result>): Promise<Result> {
    return this.#mutex.run(() => work(this.#parts.branch.state))
  }

  /** The first commit of a cluster becomes `main` of a node that had none; what it wrote before is made upon that. */
  begin(root: CommitId): Promise<void> {
    return this.#exclusively(() =>
      this.#parts.store.withoutWriters(async () => {
        const { branch, graph, repository } = this.#parts
        assert(branch.state === undefined, 'a cluster is begun once')
        const { tree } = await graph.node(root)
        await this.#moveTo({ main: root, heads: [root], tree }, await movedBetween(repository.stage(), undefined, tree))
      }),
    )
  }

  async #adoptNow(heads: readonly CommitId[], incoming?: Incoming): Promise<boolean> {
    const { branch, store } = this.#parts
    const state = await this.#sealAll(store.pendingChanges)
    // What only continues `main` can be made ready before it is durable. A merge writes and names what builds upon it.
    const isSoon = branch.waiting.length === 0 && incoming?.continues(state.heads) === true
    if (!isSoon) await incoming?.durable
    const graph = isSoon ? incoming.graph : this.#parts.graph
    const wanted = await reduceHeads(graph, [...state.heads, ...branch.waiting, ...heads])
    // What waits no more stays named until `main` has it.
    await branch.keepWaiting([...new Set([...branch.waiting, ...wanted.waiting])])
    const moved = await this.#mergeAll(state, wanted.heads, { graph, incoming })
    await branch.keepWaiting(wanted.waiting)
    return moved
  }

  async #mergeAll(before: BranchState, heads: readonly CommitId[], adopting: Adopting): Promise<boolean> {
    const added = heads.filter(id => !before.heads.includes(id))
    if (added.length === 0) return false
    // From here on the journal must know that it is sealed: what it holds was made upon another main.
    await this.#parts.journal.sync()
    if (before.heads.length + added.length > MAX_MERGE_HEADS) {
      await this.#mergeAfresh(before, heads)
      return true
    }
    return this.#mergeEach(before, added, adopting)
  }

  /** One head more after the other, and one merge commit of them all. Much of it is shown before its trees are written. */
  async #mergeEach(before: BranchState, added: readonly CommitId[], adopting: Adopting): Promise<boolean> {
    const { branch, log, monotonicMs, repository, store } = this.#parts
    const beganMs = monotonicMs()
    const { graph, incoming } = adopting
    const stage = repository.stage({ readers: incoming === undefined ? [] : [incoming.atHand] })
    const context = { ...this.#context(stage), graph }
    const merged = await addHeads(context, before, added)
    if (isSameHeads(merged.heads, before.heads)) return false
    const said = await saidRecords(stage, before, merged)
    const isLarge = merged.edits.size >= LARGE_MERGE_EDITS && added.length <= LARGE_MERGE_HEADS
    // What was read once must be there after a crash, too: so the commits that say it are named first.
    if (isLarge) await branch.keepWaiting([...new Set([...branch.waiting, ...added])])
    const foreseen = isLarge ? store.foresee(said) : undefined
    const visibleMs = monotonicMs() - beganMs
    try {
      const told = new Set<RecordKey>()
      const { heads, tree } = await writeState(context, merged, difference => told.add(recordKey(difference)))
      const changes = await differingRecords(stage, before, merged, said, told)
      const { id: main } = await mainOf({ store: stage, graph }, { heads, tree })
      await this.#moveTo({ main, heads, tree }, { stage, changes, foreseen, durable: incoming?.durable })
    } catch (error) {
      if (foreseen !== undefined) store.rollBack()
      throw error
    }
    if (isLarge)
      log('info', 'a large merge', { records: merged.edits.size, visibleMs, durableMs: monotonicMs() - beganMs })
    return true
  }

  /** One head after the other would join too many on the way; and some of ours may have to wait for earlier ones. */
  async #mergeAfresh(state: BranchState, heads: readonly CommitId[]): Promise<void> {
    const stage = this.#parts.repository.stage()
    const merged = await mergeHeads(this.#context(stage), heads)
    const { id: main } = await mainOf({ store: stage, graph: this.#parts.graph }, merged)
    await this.#moveTo(
      { main, heads: merged.heads, tree: merged.tree },
      await movedBetween(stage, state.tree, merged.tree),
    )
  }

  async #moveTo(next: BranchState, { stage, changes, foreseen, durable }: Moved): Promise<void> {
    const { branch, store, clock, graph } = this.#parts
    // The lock of the ref and the clock are looked after while what it is to name becomes durable.
    let node: GraphNode
    const objects = (async () => {
      await durable
      await stage.commit()
      node = await graph.node(next.main)
    })()
    const andThen = (): void => {
      // In one turn, and nothing of it can fail: view and memory must not miss what `main` has.
      clock.observe(node.clock)
      store.adopt(changes, next.main, foreseen)
    }
    await branch.move(next, { objects, andThen })
    this.#parts.onMoved(next, 'adopted')
  }

  /**
   * Takes up what a crash left in the journal. What was made upon `main` is pending again. What was made upon another main
   * becomes a commit upon that, named durably as a head of its own before any note could say that it is sealed, and is then
   * adopted as if it had come from elsewhere; so are heads that waited.
   */
  async takeUp({ pending, foreign }: SortedEntries): Promise<void> {
    const { branch, store, journal } = this.#parts
    const heads: CommitId[] = []
    for (const { main, entries } of foreign) heads.push(...(await this.#sealUpon(main, entries)))
    if (heads.length > 0) await branch.keepWaiting([...new Set([...branch.waiting, ...heads])])
    store.replay(pending)
    if (branch.state === undefined || (branch.waiting.length === 0 && foreign.length === 0)) return
    await this.adopt([])
    const last = Math.max(0, ...foreign.map(({ entries }) => entries.at(-1)?.sequence ?? 0))
    // Adopting sealed what is pending, so that everything up to here is in a commit.
    if (last > 0) await journal.sealed(last, heads.at(-1) ?? dataCommitOf(branch.state))
  }

  /** Entries made upon another main, as a chain of commits upon that: the last of them, if they change anything. */
  async #sealUpon(main: CommitId, entries: readonly JournalEntry[]): Promise<CommitId[]> {
    const { graph, repository, author, onSealed } = this.#parts
    let head = main
    for (let left = entries; left.length > 0;) {
      const fitting = fittingEntries(left, MAX_COMMIT_CHANGES, MAX_COMMIT_VALUE_BYTES)
      left = left.slice(fitting.length)
      const { tree, clock } = await graph.node(head)
      const stage = repository.stage()
      const sealed = await composeSeal(stage, { main: head, tree, clock }, author(), fitting)
      await onSealed(fitting, sealed?.changes)
      if (sealed === undefined) continue
      await stage.commit()
      head = sealed.commit
    }
    return head === main ? [] : [head]
  }

  #context(stage: StagedObjects): MergeContext {
    const { graph, changes, rules } = this.#parts
    return { store: stage, graph, changes, rules, breathe }
  }
}

/** What stays whatever happens: a merge commit that nothing came to name may go, and a note that names it would say nothing. */
function dataCommitOf({ heads, main }: BranchState): CommitId {
  return heads[0] ?? main
}

/** The graph that heads are adopted by, and what else is known of them. */
interface Adopting {
  readonly graph: CommitGraph
  readonly incoming: Incoming | undefined
}

/** What comes with a move of `main`: objects to be made durable, and what changes for readers. */
interface Moved {
  readonly stage: StagedObjects
  readonly changes: readonly ViewChange[]
  /** Where they are shown already: those, and with them what is said of records that are as before. */
  readonly foreseen?: readonly Cell[] | undefined
  /** Settles when the commits that it stands on are in the repository; where they are, nothing. */
  readonly durable?: Promise<void> | undefined
}

async function movedBetween(stage: StagedObjects, before: ObjectId | undefined, after: ObjectId): Promise<Moved> {
  const changes: ViewChange[] = []
  for await (const batch of viewChanges(stage, before, after)) changes.push(...batch)
  return { stage, changes }
}
