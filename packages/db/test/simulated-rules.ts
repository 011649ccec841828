import { CommitGraph, mergeHead, step, verifyCommit } from '@atolldb/core'
import { type NodeRules, soundOrder } from '@atolldb/testkit'
import { sortByLineage } from '../src/engine/lineage.ts'
import { composeSeal } from '../src/engine/seal.ts'
import { trustedNowMs } from '../src/engine/wall-clock.ts'
import { planFetch, sampleHaves } from '../src/replication/fetch-plan.ts'
import { HeldCommits } from '../src/replication/held-commits.ts'
import { newObjects, objectsToSend } from '../src/replication/new-objects.ts'

/** What decides in the shipped node, for the simulator. */
export const shippedRules: NodeRules = {
  graph: reader => new CommitGraph(reader),
  mergeHead,
  verifyCommit,
  step,
  // Slices of real time would make one seed several courses of events.
  composeSeal: (store, parent, author, entries) => composeSeal(store, parent, author, entries, async () => undefined),
  sortByLineage,
  planFetch,
  sampleHaves,
  objectsToSend,
  newObjects,
  trustedNowMs,
  heldCommits: () => new HeldCommits(),
  order: soundOrder,
}
