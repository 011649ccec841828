import type {
  Clock,
  CommitGraph,
  CommitId,
  DataNode,
  mergeHead,
  NodeId,
  ObjectId,
  ObjectReader,
  ObjectStore,
  Signer,
  step,
  verifyCommit,
} from '@atolldb/core'
import type { SimulatedEntry } from './simulated-disk.ts'

/**
 * What decides in a node: the functions that the shipped node decides with, handed in, so that they are what is simulated,
 * and so that a test can plant a wrong one. The simulator adds time, disk, network and what performs the decisions.
 */
export interface NodeRules {
  readonly graph: (reader: Pick<ObjectReader, 'readCommit'>) => CommitGraph
  readonly mergeHead: typeof mergeHead
  readonly verifyCommit: typeof verifyCommit
  readonly step: typeof step
  readonly composeSeal: (
    store: ObjectStore,
    parent: { readonly main: CommitId; readonly tree: ObjectId; readonly clock: Clock },
    author: { readonly name: string; readonly signer: Signer },
    entries: readonly SimulatedEntry[],
  ) => Promise<{ readonly commit: CommitId; readonly tree: ObjectId } | undefined>
  readonly sortByLineage: (
    graph: CommitGraph,
    node: NodeId,
    main: CommitId | undefined,
    root: CommitId | undefined,
    entries: readonly SimulatedEntry[],
  ) => Promise<SortedEntries>
  readonly planFetch: (
    objects: Pick<ObjectReader, 'has'>,
    graph: CommitGraph,
    wants: readonly CommitId[],
    haves: readonly CommitId[],
    pause: () => Promise<void>,
  ) => Promise<readonly { readonly commit: DataNode; readonly merge: CommitId | undefined }[]>
  readonly sampleHaves: (
    graph: CommitGraph,
    heads: readonly CommitId[],
    shared: readonly CommitId[],
    root: CommitId,
  ) => Promise<readonly CommitId[]>
  /** The objects of a tree that an older one lacks, for a peer. */
  readonly objectsToSend: NewObjects
  /** The same, as a receiver expects them at most. */
  readonly newObjects: NewObjects
  readonly trustedNowMs: (nowMs: number, newest: Clock) => number | undefined
  readonly heldCommits: () => HeldCommits
  readonly order: NodeOrder
}

type NewObjects = (
  reader: ObjectReader,
  older: ObjectId | undefined,
  newer: ObjectId,
) => AsyncIterable<readonly ObjectId[]>

export interface SortedEntries {
  readonly pending: readonly SimulatedEntry[]
  readonly foreign: readonly { readonly main: CommitId; readonly entries: readonly SimulatedEntry[] }[]
}

/** Commits whose clock is ahead of ours. */
export interface HeldCommits {
  readonly size: number
  heads(): CommitId[]
  isAnyDue(nowMs: number | undefined): boolean
  sift(
    graph: CommitGraph,
    ours: readonly CommitId[],
    commits: readonly CommitId[],
    nowMs: number | undefined,
  ): Promise<{ readonly free: readonly CommitId[]; readonly tips: readonly CommitId[] }>
  release(commits: readonly CommitId[]): void
}

/** What a node does before what: all of them true in a sound one. */
export interface NodeOrder {
  readonly syncsJournalBeforeAcknowledging: boolean
  readonly syncsPacksBeforeMovingMain: boolean
  readonly syncsMainBeforeTelling: boolean
  readonly sealsBeforeAdopting: boolean
  readonly notesWhatIsSealed: boolean
  readonly remembersItsClock: boolean
}

export const soundOrder: NodeOrder = {
  syncsJournalBeforeAcknowledging: true,
  syncsPacksBeforeMovingMain: true,
  syncsMainBeforeTelling: true,
  sealsBeforeAdopting: true,
  notesWhatIsSealed: true,
  remembersItsClock: true,
}
