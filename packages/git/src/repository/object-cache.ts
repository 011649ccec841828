import type { CommitId, CommitObject, ObjectId, TreeEntry } from '@atolldb/core'
import { LRUCache } from 'lru-cache'

// Measured on Node 20: an entry with its name and id, and the record that core makes of it and keeps as long as we keep the
// entries; and what a commit costs beside its text.
const TREE_ENTRY_BYTES = 260
const OBJECT_BYTES = 400

/** Parsed trees and commits that the repository durably has, bounded by their approximate bytes in memory. */
export class ObjectCache {
  readonly trees: LRUCache<ObjectId, readonly TreeEntry[]>
  readonly commits: LRUCache<CommitId, CommitObject>

  constructor(sizeBytes: number) {
    this.trees = new LRUCache({
      maxSize: Math.max(1, Math.floor(sizeBytes * 0.75)),
      sizeCalculation: entries => OBJECT_BYTES + entries.length * TREE_ENTRY_BYTES,
    })
    this.commits = new LRUCache({
      maxSize: Math.max(1, Math.floor(sizeBytes * 0.25)),
      sizeCalculation: commit =>
        OBJECT_BYTES + commit.parents.length * 64 + commit.message.length * 2 + (commit.signature?.length ?? 0) * 2,
    })
  }

  clear(): void {
    this.trees.clear()
    this.commits.clear()
  }
}
