import {
  AtollError,
  type CommitGraph,
  type CommitId,
  decodeFetchRequest,
  encodeFetchAnswer,
  FETCH_PACK_TARGET_BYTES,
  MAX_FRAME_BYTES,
  type NodeId,
  type ObjectId,
} from '@atolldb/core'
import { PackBuilder, type Repository } from '@atolldb/git'
import { breatheInSlices } from '../scheduling/breathe.ts'
import { type PlannedCommit, planFetch } from './fetch-plan.ts'
import type { FrameStream } from './frames.ts'
import { objectsToSend } from './new-objects.ts'

/** Each answer holds a pack in memory: so many are given at a time, the others are told to come again. */
const MAX_ANSWERS = 8

export interface FetchSource {
  readonly repository: Repository
  readonly graph: CommitGraph
  readonly cluster: () => CommitId | undefined
  /** Aborts the answers under way. */
  readonly signal: AbortSignal
}

/** Answers `/atoll/fetch/1`: one request a peer at a time. */
export class FetchServer {
  readonly #answering = new Set<NodeId>()

  /** Packs of whole commits, oldest first, each complete upon those before. @throws PROTOCOL, TIMEOUT, what the repository throws */
  async answer(source: FetchSource, peer: NodeId, frames: FrameStream): Promise<void> {
    const request = decodeFetchRequest(await frames.read())
    const ours = source.cluster()
    if (ours !== request.cluster)
      return refuse(frames, 'OTHER_CLUSTER', `this node belongs to ${ours ?? 'no cluster yet'}`)
    if (this.#answering.has(peer) || this.#answering.size >= MAX_ANSWERS)
      return refuse(frames, 'BUSY', 'others are being answered')
    this.#answering.add(peer)
    try {
      await frames.send(answer(source, request.wants, request.haves))
      await frames.finish()
    } finally {
      this.#answering.delete(peer)
    }
  }
}

async function refuse(frames: FrameStream, code: string, reason: string): Promise<void> {
  await frames.send([encodeFetchAnswer({ kind: 'refusal', code, reason })])
  await frames.finish()
}

async function* answer(
  source: FetchSource,
  wants: readonly CommitId[],
  haves: readonly CommitId[],
): AsyncGenerator<Uint8Array> {
  const slices = breatheInSlices()
  const breathe = async (): Promise<void> => {
    source.signal.throwIfAborted()
    await slices()
  }
  const plan = await planFetch(source.repository, source.graph, wants, haves, breathe)
  let sent = 0
  while (sent < plan.length) {
    const pack = new PackBuilder()
    const first = sent
    do {
      const planned = plan[sent++]
      if (planned !== undefined) await addCommit(source, pack, planned, breathe)
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
  source: FetchSource,
  pack: PackBuilder,
  { commit, merge }: PlannedCommit,
  breathe: () => Promise<void>,
): Promise<void> {
  const { repository, graph } = source
  const add = async (id: ObjectId): Promise<void> => {
    const { type, bytes } = repository.objectAtHand(id) ?? (await repository.readObject(id))
    // Its hash was verified when it was read.
    pack.add(type, bytes, id)
  }
  if (merge !== undefined) await add(merge)
  const [parent] = commit.parents
  const parentTree = parent === undefined ? undefined : (await graph.node(parent)).tree
  for await (const ids of objectsToSend(repository, parentTree, commit.tree)) {
    for (const id of ids) if (!pack.has(id)) await add(id)
    await breathe()
  }
  await add(commit.id)
}

/** A refusal that a peer answered with, as an error. */
export function refusedByPeer(code: string, reason: string): AtollError<'PROTOCOL'> {
  const text = `the peer refused: ${reason} (${code})`
  return new AtollError('PROTOCOL', text, { reason: text })
}
