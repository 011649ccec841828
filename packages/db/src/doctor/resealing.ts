import {
  ChangeLists,
  CommitGraph,
  type CommitId,
  conflictEntryRef,
  type DataNode,
  HybridClock,
  lookupRecord,
  mainOf,
  mergeHeads,
  type MergeContext,
  type ObjectId,
  reduceHeads,
  type RuleRunner,
  type State,
} from '@atolldb/core'
import type { Repository, StagedObjects } from '@atolldb/git'
import { type Author, composeSeal, type SealParent } from '../engine/seal.ts'
import type { JournalChange } from '../journal/frame.ts'
import { breatheInSlices } from '../scheduling/breathe.ts'
import { loadChange } from '../view/fill.ts'

const STAGE_BYTES = 16 * 1024 * 1024

export interface ResealingParts {
  readonly repository: Repository
  readonly rules: RuleRunner
  readonly author: Author
  readonly nowMs: () => number
}

/**
 * Makes commits again with other clocks. Each has the changes that it had, upon what its writer saw: that very `main` where nothing of
 * it is made again itself, else the one of what has taken the place of its heads. So what was concurrent stays concurrent.
 */
export class Resealing {
  readonly #parts: ResealingParts
  readonly #clock: HybridClock
  readonly #breathe = breatheInSlices()
  /** What stands for a commit now: usually one, but what a commit stood upon where nothing is left of it. */
  readonly #headsById = new Map<CommitId, readonly CommitId[]>()
  #stage!: StagedObjects
  #graph!: CommitGraph
  #changes!: ChangeLists

  constructor(parts: ResealingParts) {
    this.#parts = parts
    this.#clock = new HybridClock({ nowMs: parts.nowMs })
    this.#renewStage()
  }

  /** Seals the changes of a commit again, whose ancestors were before it. Returns the new one; undefined where it changes nothing now. */
  async again(node: DataNode): Promise<CommitId | undefined> {
    const base = await this.#baseOf(node)
    const changes = await this.#changesOf(node, base.tree)
    this.#clock.observe(base.clock)
    const entry = { sequence: 0, main: base.main, clock: this.#clock.tick(), changes }
    const sealed = await composeSeal(this.#stage, base, this.#parts.author, [entry], this.#breathe)
    this.#headsById.set(node.id, sealed === undefined ? await this.#headsOf(node.seen) : [sealed.commit])
    if (this.#stage.sizeBytes >= STAGE_BYTES) await this.#commitStage()
    return sealed?.commit
  }

  /** Leaves a commit out: what it stood upon stands for it. */
  async leaveOut(node: DataNode): Promise<void> {
    this.#headsById.set(node.id, await this.#headsOf(node.seen))
  }

  /** The state of what stands for these heads now; durable when it resolves. */
  async finish(
    heads: readonly CommitId[],
  ): Promise<State & { readonly main: CommitId; readonly waiting: readonly CommitId[] }> {
    const reduced = await reduceHeads(
      this.#graph,
      heads.flatMap(id => this.#standingFor(id)),
    )
    const state = await mergeHeads(this.#context(), reduced.heads)
    const { id: main } = await mainOf(this.#context(), state)
    await this.#stage.commit()
    return { ...state, main, waiting: reduced.waiting }
  }

  async #baseOf(node: DataNode): Promise<SealParent> {
    const [parent] = node.parents
    const isAsItWas = node.seen.every(id => !this.#headsById.has(id))
    const main = isAsItWas && parent !== undefined ? parent : await this.#mainOf(await this.#headsOf(node.seen))
    const { tree, clock } = await this.#graph.node(main)
    return { main, tree, clock }
  }

  async #mainOf(heads: readonly CommitId[]): Promise<CommitId> {
    const { id } = await mainOf(this.#context(), await mergeHeads(this.#context(), heads))
    return id
  }

  async #headsOf(seen: readonly CommitId[]): Promise<readonly CommitId[]> {
    return (
      await reduceHeads(
        this.#graph,
        seen.flatMap(id => this.#standingFor(id)),
      )
    ).heads
  }

  #standingFor(id: CommitId): readonly CommitId[] {
    return this.#headsById.get(id) ?? [id]
  }

  /** Whoever writes a record settles the conflict that it is in: where it is in one now, the entry goes as well. */
  async #changesOf(node: DataNode, tree: ObjectId): Promise<JournalChange[]> {
    const changes: JournalChange[] = []
    for (const { ref, after } of (await this.#changes.of(node)).values()) {
      changes.push(await loadChange(this.#stage, { ...ref, content: after }))
      const entry = conflictEntryRef(ref)
      if ((await lookupRecord(this.#stage, tree, entry)) !== undefined) changes.push({ ...entry, content: undefined })
    }
    return changes
  }

  #context(): MergeContext {
    const breathe = this.#breathe
    return { store: this.#stage, graph: this.#graph, changes: this.#changes, rules: this.#parts.rules, breathe }
  }

  async #commitStage(): Promise<void> {
    await this.#stage.commit()
    this.#renewStage()
  }

  #renewStage(): void {
    this.#stage = this.#parts.repository.stage()
    this.#graph = new CommitGraph(this.#stage)
    this.#changes = new ChangeLists(this.#graph, this.#stage)
  }
}
