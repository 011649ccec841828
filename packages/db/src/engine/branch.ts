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

  private constructor(repository: Repository, state: BranchState | undefined, waiting: readonly CommitId[]) {
    this.#repository = repository
    this.#state = state
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
   * The ref moves once the commit's objects are durable, which `objects` waits for, and stays where that fails. `andThen` runs in the turn in which the state changes, so that nobody sees `main`
   * where it has moved to without what it brings; it must not fail.
   *
   * @throws CONFLICT when somebody else moved the ref; what `objects` failed with
   */
  async move(
    next: BranchState,
    { objects, andThen }: { readonly objects?: Promise<unknown>; readonly andThen?: () => void } = {},
  ): Promise<void> {
    if (next.main === this.#state?.main) await objects
    else {
      await this.#repository.updateRef(MAIN_REF, next.main, this.#state?.main, objects)
      this.#state = next
    }
    andThen?.()
  }

  /** Names the heads that wait, before anything depends on their being kept. */
  async keepWaiting(waiting: readonly CommitId[]): Promise<void> {
    const added = waiting.filter(id => !this.#waiting.includes(id))
    const gone = this.#waiting.filter(id => !waiting.includes(id))
    for (const id of added) await this.#repository.updateRef(WAITING_PREFIX + id, id, undefined)
    for (const id of gone) await this.#repository.deleteRef(WAITING_PREFIX + id, id)
    this.#waiting = waiting
  }
}

/** What needs a cluster is asked of a node without one. */
export function noCluster(): AtollError<'NO_CLUSTER'> {
  const reason = 'this node has not met its cluster yet; what was written is kept in the journal until it has'
  return new AtollError('NO_CLUSTER', reason, { reason })
}
