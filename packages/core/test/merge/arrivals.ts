import { stateTree, verifyFakeSignature } from '@atolldb/testkit'
import type { History, MemoryObjectStore } from '@atolldb/testkit'
import { expect } from 'vitest'
import { diffStates, mergeHead, verifyCommit } from '../../src/index.ts'
import type { CommitId, MergeContext, ObjectId, ObjectReader, RecordDifference, State } from '../../src/index.ts'

/* Commits of a history that arrive in some order, and the states that the oracle says they make. */

/** Lets the commits arrive one after the other, and compares each state on the way. */
export async function adoptEach(
  context: MergeContext,
  history: History,
  expected: ExpectedTrees,
  arrivals: readonly CommitId[],
): Promise<State> {
  let state: State = { heads: [history.root], tree: (await context.graph.node(history.root)).tree }
  for (const id of arrivals) {
    const merged = await mergeHead(context, state, id)
    expect(merged.heads).toEqual(history.oracle.heads([...state.heads, id]))
    const tree = await expected.treeOf(merged.heads)
    if (merged.tree !== tree)
      expect(await differences(context.store, merged.tree)).toEqual(await differences(context.store, tree))
    expect(merged.tree).toBe(tree)
    expect(await collect(merged.differences())).toEqual(await collect(diffStates(context.store, state.tree, tree)))
    state = merged
  }
  return state
}

export async function verifyAll(context: MergeContext, history: History, mains: ReadonlySet<CommitId>): Promise<void> {
  const verifyContext = { ...context, cluster: history.root, verifySignature: verifyFakeSignature }
  for (const id of [...history.commits, ...mains]) {
    const node = await verifyCommit(verifyContext, id)
    for (const parent of node.parents) await verifyCommit(verifyContext, parent)
  }
}

/** The trees that the oracle's states have. */
export class ExpectedTrees {
  readonly #store: MemoryObjectStore
  readonly #history: History
  readonly #trees = new Map<string, Promise<ObjectId>>()

  constructor(store: MemoryObjectStore, history: History) {
    this.#store = store
    this.#history = history
  }

  treeOf(heads: readonly CommitId[]): Promise<ObjectId> {
    const key = heads.join(' ')
    let tree = this.#trees.get(key)
    if (tree === undefined) {
      tree = stateTree(this.#store, this.#history.oracle.state(heads).values())
      this.#trees.set(key, tree)
    }
    return tree
  }
}

function differences(store: ObjectReader, tree: ObjectId): Promise<unknown[]> {
  return collect(diffStates(store, undefined, tree), id => store.readBlob(id))
}

/** Differences in one order, without the bytes that some have and some have not; with `read`, as text. */
async function collect(
  batches: AsyncIterable<readonly RecordDifference[]>,
  read?: (id: ObjectId) => Promise<Uint8Array>,
): Promise<unknown[]> {
  const lines: string[] = []
  for await (const batch of batches)
    for (const { kind, collection, id, before, after } of batch) {
      const text = read && after ? new TextDecoder().decode(after.bytes ?? (await read(after.version))) : after?.version
      lines.push(`${kind}/${collection}/${id}: ${before?.format} ${before?.version} → ${after?.format} ${text}`)
    }
  return lines.sort()
}

export function shuffled<Item>(items: readonly Item[], order: readonly number[]): Item[] {
  return items
    .map((item, i) => ({ item, at: order[i % order.length]! }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}
