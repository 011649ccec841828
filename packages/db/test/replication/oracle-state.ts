import { ChangeLists, CommitGraph, type CommitId, type ObjectId, type RecordRef } from '@atolldb/core'
import { hashObject, Repository } from '@atolldb/git'
import { Oracle, type OracleChange, type OracleCommit, stateTree } from '@atolldb/testkit'
import { repositoryOf, type TestNode } from './nodes.ts'

/** A node's history, read from its repository, and what the definition of a state makes of it. */
export interface DefinedState {
  /** The tree that the definition gives, and the one that the node has come to. */
  readonly defined: ObjectId
  readonly actual: ObjectId
  /** All data commits, each after those it has seen. */
  readonly commits: readonly OracleCommit[]
  /** Records of whose versions something had to be dropped. */
  readonly contested: readonly RecordRef[]
}

export async function definedStateOf(node: Pick<TestNode, 'db' | 'directory'>): Promise<DefinedState> {
  const { main } = await node.db.status()
  if (main === undefined) throw new Error('there is no main')
  const repository = await Repository.open(repositoryOf(node))
  try {
    const graph = new CommitGraph(repository)
    const changes = new ChangeLists(graph, repository)
    const oracle = new Oracle(bytes => hashObject('blob', bytes))
    const commits: OracleCommit[] = []
    const heads = await graph.headsOfMain(main)
    for (const id of await history(graph, heads)) {
      const commit = await graph.dataNode(id)
      const list: OracleChange[] = []
      for (const { ref, after } of (await changes.of(commit)).values())
        list.push({
          ref,
          content: after && { ...after, bytes: after.bytes ?? (await repository.readBlob(after.version)) },
        })
      const added = { id, stamp: commit.stamp, parents: commit.seen, changes: list }
      oracle.add(added)
      commits.push(added)
    }
    const records = [...oracle.state(heads).values()]
    const defined = await stateTree(repository.stage(), records)
    const contested = records.filter(({ entry }) => entry?.contested === true).map(({ ref }) => ref)
    return { defined, actual: (await graph.node(main)).tree, commits, contested }
  } finally {
    await repository.close()
  }
}

/** All data commits, each after those it has seen. */
async function history(graph: CommitGraph, heads: readonly CommitId[]): Promise<CommitId[]> {
  const sorted = new Set<CommitId>()
  const pending = [...heads]
  for (let id = pending.at(-1); id !== undefined; id = pending.at(-1)) {
    const { seen } = await graph.dataNode(id)
    const unsorted = seen.filter(other => !sorted.has(other))
    if (unsorted.length > 0) pending.push(...unsorted)
    else sorted.add(pending.pop()!)
  }
  return [...sorted]
}
