import { AtollError, type CommitGraph, type CommitId, type State } from '@atolldb/core'
import type { Repository } from '@atolldb/git'

export const MAIN_REF = 'refs/heads/main'
/** Heads beyond those that one merge commit can join: named so that stock `git gc` keeps them. */
export const WAITING_PREFIX = 'refs/atoll/heads/'

/** Where `main` stands: a commit, the heads it joins, and their tree. */
export interface BranchState extends State {
  readonly main: CommitId
}

/** Why `main` moved: this node sealed what it wrote, or adopted what others did. */
export type MoveCause = 'sealed' | 'adopted'

/**
 * `main` of this node: what the ref in the repository says, kept at hand. It moves by compare-and-swap only, and is durable
 * before anybody is told.
 */
export class Branch {
  readonly #repository: Repository
  #state: BranchState | undefined
  #waiting: readonly CommitId[]
  /** Where the ref stands: beyond the state after a move that failed when it was done. */
  #ref: CommitId | undefined
  /** Where the ref may stand since a move failed. */
  #tried: CommitId | undefined

  private constructor(repository: Repository, state: BranchState | undefined, waiting: readonly CommitId[]) {
    this.#repository = repository
    this.#state = state
    this.#ref = state?.main
    this.#waiting = waiting
  }

  /** @throws CORRUPT when the ref names what is not there */
  static async load(repository: Repository, graph: CommitGraph): Promise<Branch> {
    const waiting = [...(await repository.listRefs(WAITING_PREFIX)).values()] as CommitId[]
    const main = (await repository.readRef(MAIN_REF)) as CommitId | undefined
    if (main === undefined) return new Branch(repository, undefined, waiting)
    const { tree } = await graph.node(main)
    const heads = await graph.headsOfMain(main)
    return new Branch(repository, { main, heads, tree }, waiting)
  }

  /** Undefined while the node belongs to no cluster. */
  get state(): BranchState | undefined {
    return this.#state
  }

  /** Adopted heads that wait until there is room in a merge commit. */
  get waiting(): readonly CommitId[] {
    return this.#waiting
  }

  /**
   * The ref moves once the commit's objects are durable, which `objects` waits for, and stays where that fails. `andThen` runs in
   * the turn in which the state changes, so that nobody sees `main` where it has moved to without what it brings; it must not
   * fail. After a failure the state is what it was, and `main` can be moved from there whether or not the ref is there still.
   *
   * @throws CONFLICT when somebody else moved the ref; what `objects` failed with
   */
  async move(
    next: BranchState,
    { objects, andThen }: { readonly objects?: Promise<unknown>; readonly andThen?: () => void } = {},
  ): Promise<void> {
    if (next.main === this.#state?.main) await objects
    else {
      await this.#moveRef(next.main, objects)
      this.#state = next
    }
    andThen?.()
  }

  async #moveRef(next: CommitId, objects: Promise<unknown> | undefined): Promise<void> {
    // What came of the last attempt is asked here, where an answer can be waited for: then, nothing may have been readable.
    if (this.#tried !== undefined) {
      const settled = this.#repository.readRef(MAIN_REF)
      // Whatever fails first, nobody is left to hear of the other.
      objects?.catch(() => undefined)
      if ((await settled) === this.#tried) this.#ref = this.#tried
    }
    this.#tried = next
    await this.#repository.updateRef(MAIN_REF, next, this.#ref, objects)
    this.#ref = next
    this.#tried = undefined
  }

  /** Names the heads that wait, before anything depends on their being kept. What fails half way can be asked for again. */
  async keepWaiting(waiting: readonly CommitId[]): Promise<void> {
    const added = waiting.filter(id => !this.#waiting.includes(id))
    const gone = this.#waiting.filter(id => !waiting.includes(id))
    for (const id of added) {
      await this.#nameWaiting(id)
      this.#waiting = [...this.#waiting, id]
    }
    for (const id of gone) {
      await this.#forgetWaiting(id)
      this.#waiting = this.#waiting.filter(other => other !== id)
    }
    this.#waiting = waiting
  }

  async #nameWaiting(id: CommitId): Promise<void> {
    const name = WAITING_PREFIX + id
    // Where an attempt that failed has put it already it is written again, since that one may not be durable.
    const isThere = (await this.#repository.readRef(name)) === id
    await this.#repository.updateRef(name, id, isThere ? id : undefined)
  }

  async #forgetWaiting(id: CommitId): Promise<void> {
    const name = WAITING_PREFIX + id
    if ((await this.#repository.readRef(name)) !== undefined) await this.#repository.deleteRef(name, id)
  }
}

/** What needs a cluster is asked of a node without one. */
export function noCluster(): AtollError<'NO_CLUSTER'> {
  const reason = 'this node has not met its cluster yet; what was written is kept in the journal until it has'
  return new AtollError('NO_CLUSTER', reason, { reason })
}
