import type { CommitGraph, CommitId, ObjectReader } from '@atolldb/core'

/** Verified commits of a peer on their way into `main`: what makes their adoption sooner than the repository alone would. */
export interface Incoming {
  /** Has what came in memory; what it does not have is in the repository, once that is `durable`. */
  readonly atHand: ObjectReader
  /** The graph with these commits, whether or not the repository has them already; it remembers little of what is below them. */
  readonly graph: CommitGraph
  /**
   * Are they few, all of them free to be adopted, and one upon these heads, so that this one is `main` then? All that it takes to
   * know what that changes is at hand before they are durable. Looks at these commits only.
   */
  continues(heads: readonly CommitId[]): boolean
  /**
   * Settles when the commits are in the repository, durably, or cannot be. Until then nothing may name them, and nobody may be told
   * of them: what can be made ready is.
   */
  readonly durable: Promise<void>
}
