import { type CommitGraph, type CommitId, type GraphNode, isAtollError } from '@atolldb/core'

/** Undefined for a commit that is missing, damaged, or none that Atoll writes. */
export async function readableNode(graph: CommitGraph, id: CommitId): Promise<GraphNode | undefined> {
  try {
    return await graph.node(id)
  } catch (error) {
    if (isAtollError(error, 'MISSING') || isAtollError(error, 'CORRUPT') || isAtollError(error, 'REFUSED'))
      return undefined
    throw error
  }
}
