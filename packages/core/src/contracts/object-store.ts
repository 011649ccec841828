import type { CommitId, ObjectId } from '../ids.ts'

/** git's author or committer line; always in UTC. */
export interface Identity {
  readonly name: string
  readonly email: string
  /** Whole seconds since 1970. */
  readonly seconds: number
}

/** A git commit object, field by field. `signature` is the armoured `gpgsig`, without a trailing newline. */
export interface CommitObject {
  readonly tree: ObjectId
  readonly parents: readonly CommitId[]
  readonly author: Identity
  readonly committer: Identity
  readonly signature?: string
  /** With its trailing newline. */
  readonly message: string
}

/** An entry of a git tree: a file (mode 100644) or a directory (40000); there is nothing else in our trees. */
export interface TreeEntry {
  readonly name: string
  readonly type: 'blob' | 'tree'
  readonly id: ObjectId
}

/**
 * Reads git objects by id. A missing object rejects with MISSING, a damaged one with CORRUPT, an unreadable file with
 * NOT_ACCESSIBLE or STORAGE_FAILED: never one for the other.
 */
export interface ObjectReader {
  has(id: ObjectId): Promise<boolean>
  /** The id that these bytes have as a blob; nothing is read or written. */
  blobId(bytes: Uint8Array): ObjectId
  readBlob(id: ObjectId): Promise<Uint8Array>
  /**
   * The blob's bytes where they are in memory: a view to be used at once. Undefined says nothing. For those who read many:
   * a promise costs more than a small blob.
   */
  blobAtHand?(id: ObjectId): Uint8Array | undefined
  /** Entries in git's order. */
  readTree(id: ObjectId): Promise<readonly TreeEntry[]>
  readCommit(id: CommitId): Promise<CommitObject>
}

/**
 * Takes git objects and returns their ids at once; they are durable when the owner of the store says so, not before.
 * `writeTree` sorts as git does. Writing an object twice is the same as once.
 */
export interface ObjectWriter {
  /** `id` where the caller computed it from these very bytes, so that they need not be hashed again. */
  writeBlob(bytes: Uint8Array, id?: ObjectId): ObjectId
  writeTree(entries: readonly TreeEntry[]): ObjectId
  writeCommit(commit: CommitObject): CommitId
}

export interface ObjectStore extends ObjectReader, ObjectWriter {}

/** The id of the empty tree, which every git knows. */
export const EMPTY_TREE = '4b825dc642cb6eb9a060e54bf8d69288fbee4904' as ObjectId
