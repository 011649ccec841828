import { ChangeLists, CommitGraph, type CommitId, type ObjectId } from '@atolldb/core'
import { hashObject, Repository } from '@atolldb/git'
import { Oracle, type OracleChange, stateTree } from '@atolldb/testkit'
import { repositoryOf, type TestNode } from './nodes.ts'

/** The tree that the definition of a state gives for a node's history, and the one that the node has come to. */
export async function treesOf(node: TestNode): Promise<{ defined: ObjectId; actual: ObjectId }> {
  const { main } = await node.db.status()
  if (main === undefined) throw new Error('there is no main')
  const repository = await Repository.open(repositoryOf(node))
  try {
    const graph = new CommitGraph(repository)
    const changes = new ChangeLists(graph, repository)
    const oracle = new Oracle(bytes => hashObject('blob', bytes))
    const heads = await graph.headsOfMain(main)
    for (const id of await history(graph, heads)) {
      const commit = await graph.dataNode(id)
      const list: OracleChange[] = []
      for (const { ref, after } of (await changes.of(commit)).values())
        list.push({
          ref,
          content: after && { ...after, bytes: after.bytes ?? (await repository.readBlob(after.version)) },
        })
      oracle.add({ id, stamp: commit.stamp, parents: commit.seen, changes: list })
    }
    const defined = await stateTree(repository.stage(), oracle.state(heads).values())
    return { defined, actual: (await graph.node(main)).tree }
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
