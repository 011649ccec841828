import {
  applyEdits,
  CommitGraph,
  type CommitId,
  type DataNode,
  diffStates,
  type GraphNode,
  isConflictCollection,
  mergeHead,
  type RecordEdit,
  type RuleRunner,
} from '@atolldb/core'
import type { NodeRules } from '@atolldb/testkit'
import { shippedRules } from '../../packages/db/test/simulated-rules.ts'

/** A deliberate bug, and the first seed of the gate that finds it. `docs/simulation.md` has the same table. */
export interface PlantedFault {
  readonly name: string
  readonly seed: number
  readonly rules: NodeRules
}

/** Every node of the simulation has the fault: nobody is there to tell them by their differing. */
export const plantedFaults: readonly PlantedFault[] = [
  planted('a merge forgets what only the other side changed', 1, {
    mergeHead: async (context, ours, head) => ({ ...(await mergeHead(context, ours, head)), tree: ours.tree }),
  }),
  planted('a merge forgets conflict entries', 2, {
    mergeHead: async (context, ours, head) => {
      const merged = await mergeHead(context, ours, head)
      const entries: RecordEdit[] = []
      for await (const differences of diffStates(context.store, undefined, merged.tree))
        for (const { kind, collection, id } of differences)
          if (isConflictCollection(collection)) entries.push({ kind, collection, id, content: undefined })
      return { ...merged, tree: (await applyEdits(context.store, merged.tree, entries)).tree }
    },
  }),
  planted('an ancestor counts as concurrent', 1, {
    mergeHead: async (context, ours, head) => {
      const merged = await mergeHead(context, ours, head)
      return { ...merged, heads: [...new Set([...merged.heads, ...ours.heads])].sort() }
    },
  }),
  planted('a merge does not ask the schema', 22, {
    mergeHead: (context, ours, head) => mergeHead({ ...context, rules: blindRules(context.rules!) }, ours, head),
  }),
  planted('concurrent changes are ordered by arrival', 3, { graph: reader => new ArrivalGraph(reader) }),
  planted('the counter of clocks is not compared', 2, { graph: reader => new CoarseGraph(reader) }),
  planted('others are adopted before what is pending is sealed', 2, order('sealsBeforeAdopting')),
  planted('a write is acknowledged before the journal is synced', 3, order('syncsJournalBeforeAcknowledging')),
  planted('main moves before its pack is durable', 3, order('syncsPacksBeforeMovingMain')),
  planted('main is told before it is durable', 1, order('syncsMainBeforeTelling')),
  planted('the journal does not note what is sealed', 3, order('notesWhatIsSealed')),
  planted('the clock is forgotten over a restart', 16, order('remembersItsClock')),
  planted('a fetch is answered without one of the trees', 1, {
    objectsToSend: async function* (reader, older, newer) {
      let isFirst = true
      for await (const ids of shippedRules.objectsToSend(reader, older, newer)) {
        yield isFirst ? ids.slice(1) : ids
        isFirst = false
      }
    },
  }),
  planted('a fetch is answered without the merge that a commit stands on', 6, {
    planFetch: async (...request) =>
      (await shippedRules.planFetch(...request)).map(({ commit }) => ({ commit, merge: undefined })),
  }),
  planted('a commit whose clock is ahead is adopted', 3, {
    heldCommits: () => {
      const held = shippedRules.heldCommits()
      const sift = held.sift.bind(held)
      held.sift = (graph, ours, commits) => sift(graph, ours, commits, undefined)
      return held
    },
  }),
]

function planted(name: string, seed: number, wrong: Partial<NodeRules>): PlantedFault {
  return { name, seed, rules: { ...shippedRules, ...wrong } }
}

function order(broken: keyof NodeRules['order']): Partial<NodeRules> {
  return { order: { ...shippedRules.order, [broken]: false } }
}

function blindRules(rules: RuleRunner): RuleRunner {
  return { ...rules, violationOf: () => undefined }
}

/** A graph whose data commits bear other stamps than they should. */
abstract class FalseGraph extends CommitGraph {
  abstract falsify(node: DataNode): DataNode

  override async node(id: CommitId): Promise<GraphNode> {
    const node = await super.node(id)
    return node.type === 'merge' ? node : this.falsify(node)
  }

  override async dataNode(id: CommitId): Promise<DataNode> {
    return this.falsify(await super.dataNode(id))
  }
}

class ArrivalGraph extends FalseGraph {
  readonly #arrivals = new Map<CommitId, number>()

  override falsify(node: DataNode): DataNode {
    const ms = this.#arrivals.get(node.id) ?? this.#arrivals.size + 1
    this.#arrivals.set(node.id, ms)
    return { ...node, stamp: { ...node.stamp, clock: { ms, counter: 0 } } }
  }
}

class CoarseGraph extends FalseGraph {
  override falsify(node: DataNode): DataNode {
    return { ...node, stamp: { ...node.stamp, clock: { ...node.stamp.clock, counter: 0 } } }
  }
}
