import {
  AtollError,
  type CommitGraph,
  type CommitId,
  decodeFetchRequest,
  encodeFetchAnswer,
  FETCH_PACK_TARGET_BYTES,
  MAX_FRAME_BYTES,
} from '@atolldb/core'
import { PackBuilder, type Repository } from '@atolldb/git'
import { breathe } from '../engine/breathe.ts'
import { type PlannedCommit, planFetch } from './fetch-plan.ts'
import type { FrameStream } from './frames.ts'
import { newObjects } from './new-objects.ts'

const OBJECTS_PER_BREATH = 500

export interface FetchSource {
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly cluster: () => CommitId | undefined
}

/** Answers one `/atoll/fetch/1` request: packs of whole commits, oldest first, each complete upon those before. */
export async function serveFetch(source: FetchSource, frames: FrameStream): Promise<void> {
  const request = decodeFetchRequest(await frames.read())
  const ours = source.cluster()
  if (ours !== request.cluster) {
    const refusal = {
      kind: 'refusal',
      code: 'OTHER_CLUSTER',
      reason: `this node belongs to ${ours ?? 'no cluster yet'}`,
    }
    await frames.send([encodeFetchAnswer({ ...refusal, kind: 'refusal' })])
    return
  }
  await frames.send(answer(source, request.wants, request.haves))
}

async function* answer(
  source: FetchSource,
  wants: readonly CommitId[],
  haves: readonly CommitId[],
): AsyncGenerator<Uint8Array> {
  const plan = await planFetch(source.repository, source.graph, wants, haves)
  let sent = 0
  while (sent < plan.length) {
    const pack = new PackBuilder()
    const first = sent
    do {
      const planned = plan[sent++]
      if (planned !== undefined) await addCommit(source, pack, planned)
    } while (sent < plan.length && pack.sizeBytes < FETCH_PACK_TARGET_BYTES)
    const { chunks } = pack.finish()
    const bytes = chunks.reduce((sum, chunk) => sum + chunk.length, 0)
    yield encodeFetchAnswer({ kind: 'pack', bytes, commits: sent - first, left: plan.length - sent })
    for (const chunk of chunks)
      for (let at = 0; at < chunk.length; at += MAX_FRAME_BYTES) yield chunk.subarray(at, at + MAX_FRAME_BYTES)
  }
  yield encodeFetchAnswer({ kind: 'end' })
}

/** The commit with the trees and blobs that its parent lacks; of a merge commit only itself, since its tree is recomputed. */
async function addCommit(
  { repository, graph }: FetchSource,
  pack: PackBuilder,
  { commit, merge }: PlannedCommit,
): Promise<void> {
  const add = async (id: Parameters<Repository['readObject']>[0]): Promise<void> => {
    const { type, bytes } = await repository.readObject(id)
    pack.add(type, bytes)
  }
  if (merge !== undefined) await add(merge)
  const [parent] = commit.parents
  const parentTree = parent === undefined ? undefined : (await graph.node(parent)).tree
  let objects = 0
  for await (const id of newObjects(repository, parentTree, commit.tree)) {
    if (!pack.has(id)) await add(id)
    if (++objects % OBJECTS_PER_BREATH === 0) await breathe()
  }
  await add(commit.id)
}

/** A refusal that a peer answered with, as an error. */
export function refusedByPeer(code: string, reason: string): AtollError<'PROTOCOL'> {
  const text = `the peer refused: ${reason} (${code})`
  return new AtollError('PROTOCOL', text, { reason: text })
}
