import { cpSync } from 'node:fs'
import { join } from 'node:path'
import {
  applyEdits,
  type Clock,
  type CommitId,
  CommitGraph,
  type CommitObject,
  composeDataCommit,
  HybridClock,
  type ObjectId,
  type ObjectStore,
  type RecordEdit,
  type Signer,
  type TreeEntry,
  encodeUtf8,
  canonicalJson,
  parseCollectionName,
  parseRecordId,
  type JsonValue,
} from '@atolldb/core'
import {
  createSigner,
  encodeCommit,
  encodeTree,
  hashObject,
  PackBuilder,
  privateKeyFromSeed,
  Repository,
  type ObjectType,
} from '@atolldb/git'
import { onTestFinished } from 'vitest'
import { temporaryDirectory } from '../temporary.ts'
import { repositoryOf, type TestNode } from './nodes.ts'

export interface ForgedObject {
  readonly id: ObjectId
  readonly type: ObjectType
  readonly bytes: Uint8Array
}

/** Makes commits, good and bad ones, on top of what a node has; they never get into any repository by themselves. */
export class Forger implements ObjectStore {
  readonly signer: Signer
  readonly graph: CommitGraph
  readonly #repository: Repository
  readonly #objects = new Map<ObjectId, ForgedObject>()
  readonly #store: ReturnType<Repository['stage']>

  private constructor(repository: Repository, seed: number) {
    this.#repository = repository
    this.#store = repository.stage()
    this.signer = signerOf(seed)
    this.graph = new CommitGraph(this)
  }

  static async upon(node: TestNode, seed = 7): Promise<Forger> {
    const directory = join(temporaryDirectory(), 'repo.git')
    cpSync(repositoryOf(node), directory, { recursive: true })
    const repository = await Repository.open(directory)
    onTestFinished(() => repository.close())
    return new Forger(repository, seed)
  }

  /** What was written since the last time, in that order. */
  take(): ForgedObject[] {
    const objects = [...this.#objects.values()]
    this.#objects.clear()
    return objects
  }

  /** One record more upon a commit, by default as it should be. */
  async commit(
    parent: CommitId,
    forging: {
      readonly id?: string
      readonly value?: JsonValue
      readonly signer?: Signer
      readonly clock?: Clock
      readonly tree?: (tree: ObjectId) => Promise<ObjectId> | ObjectId
      readonly change?: (commit: CommitObject) => CommitObject
    } = {},
  ): Promise<CommitId> {
    const { id = 'forged', value = { by: 'forger' }, signer = this.signer, tree: changeTree, change } = forging
    const above = await this.graph.node(parent)
    const clock = forging.clock ?? new HybridClock({ nowMs: () => above.clock.ms }, above.clock).tick()
    const { tree } = await applyEdits(this, above.tree, [putOf(this, id, value)])
    const name = 'forger'
    const commit = composeDataCommit({
      tree: (await changeTree?.(tree)) ?? tree,
      parent,
      clock,
      name,
      tallies: [],
      signer,
    })
    return this.writeCommit(change?.(commit) ?? commit)
  }

  blobId(bytes: Uint8Array): ObjectId {
    return hashObject('blob', bytes)
  }

  writeBlob(bytes: Uint8Array): ObjectId {
    return this.#add('blob', bytes, this.#store.writeBlob(bytes))
  }

  writeTree(entries: readonly TreeEntry[]): ObjectId {
    return this.#add('tree', encodeTree(entries), this.#store.writeTree(entries))
  }

  writeCommit(commit: CommitObject): CommitId {
    return this.#add('commit', encodeCommit(commit), this.#store.writeCommit(commit)) as CommitId
  }

  has(id: ObjectId): Promise<boolean> {
    return this.#store.has(id)
  }

  readBlob(id: ObjectId): Promise<Uint8Array> {
    return this.#store.readBlob(id)
  }

  readTree(id: ObjectId): Promise<readonly TreeEntry[]> {
    return this.#store.readTree(id)
  }

  readCommit(id: CommitId): Promise<CommitObject> {
    return this.#store.readCommit(id)
  }

  readObject(id: ObjectId): Promise<{ type: ObjectType; bytes: Uint8Array }> {
    return this.#repository.readObject(id)
  }

  #add(type: ObjectType, bytes: Uint8Array, id: ObjectId): ObjectId {
    if (!this.#objects.has(id)) this.#objects.set(id, { id, type, bytes: bytes.slice() })
    return id
  }
}

export function signerOf(seed: number): Signer {
  return createSigner(privateKeyFromSeed(new Uint8Array(32).fill(seed)))
}

function putOf(store: ObjectStore, id: string, value: JsonValue): RecordEdit {
  const bytes = encodeUtf8(canonicalJson(value))
  return {
    kind: 'objects',
    collection: parseCollectionName('farms'),
    id: parseRecordId(id),
    content: { format: 'json', version: store.blobId(bytes), bytes },
  }
}

export function packOf(objects: readonly Pick<ForgedObject, 'type' | 'bytes'>[]): Buffer {
  const builder = new PackBuilder()
  for (const { type, bytes } of objects) builder.add(type, bytes)
  return Buffer.concat(builder.finish().chunks)
}
