import { join } from 'node:path'
import { type CommitGraph, type CommitId, type GraphNode, isObjectId } from '@atolldb/core'
import type { Repository } from '@atolldb/git'
import type { DataDirectory } from '../directory/data-directory.ts'
import { MAIN_REF, WAITING_PREFIX } from '../engine/branch.ts'
import { reclockedCommits } from '../engine/before-reclock.ts'
import { laterOf } from '../engine/lost-main.ts'
import { readableNode } from '../engine/readable-node.ts'
import { checkGraph } from './check-graph.ts'
import { misnamedHeads } from './check-repository.ts'
import { walkReadable } from './remembered.ts'
import { setAside } from './set-aside.ts'

/** Sets files of damaged refs aside; the name of a head that waits says what it was. */
export async function setDamagedRefsAside(directory: DataDirectory, repository: Repository): Promise<string[]> {
  const files: string[] = []
  const setOneAside = async (file: string): Promise<void> => {
    await setAside(directory, file)
    files.push(file)
    const id = file.slice(join(directory.repository, WAITING_PREFIX).length)
    if (file.startsWith(join(directory.repository, WAITING_PREFIX)) && isObjectId(id) && (await repository.has(id)))
      await repository.updateRef(WAITING_PREFIX + id, id, await repository.readRef(WAITING_PREFIX + id))
  }
  for (const { file } of await repository.checkRefs()) await setOneAside(file)
  // What is left can be read.
  for (const { file } of await misnamedHeads(repository)) await setOneAside(file)
  return files
}

/**
 * Puts `main` to the latest commit that can be read of those remembered; where there is none of them, to the latest that the
 * repository has at all. One that can be read stays where it is.
 *
 * @returns what it was put to; undefined where nothing was done, or nothing could be
 */
export async function mendMain(
  repository: Repository,
  graph: CommitGraph,
  remembered: Iterable<CommitId | undefined>,
): Promise<CommitId | undefined> {
  const main = (await repository.readRef(MAIN_REF)) as CommitId | undefined
  if (main !== undefined && (await readableNode(graph, main)) !== undefined) return undefined
  const replaced = await reclockedCommits(repository, graph)
  const latest =
    (await latestOf(graph, remembered, replaced)) ?? (await latestOf(graph, await repository.listCommits(), replaced))
  if (latest === undefined) return undefined
  await repository.updateRef(MAIN_REF, latest.id, main)
  return latest.id
}

/**
 * Names the other heads that a lost `main` joined as heads that wait, so that the node merges them when it opens: those of every
 * `main` it is known to have had. What it never adopted comes into no question: it may have been replaced.
 *
 * @returns those that are named now
 */
export async function nameOtherHeads(
  repository: Repository,
  graph: CommitGraph,
  adopted: Iterable<CommitId>,
): Promise<CommitId[]> {
  const main = (await repository.readRef(MAIN_REF)) as CommitId | undefined
  if (main === undefined) return []
  const within = await walkReadable(graph, [main])
  const others: GraphNode[] = []
  const replaced = await reclockedCommits(repository, graph)
  const apart = [...adopted].filter(id => !within.has(id) && !replaced.has(id))
  for (const id of await walkReadable(graph, apart)) {
    const node = within.has(id) ? undefined : await readableNode(graph, id)
    if (node !== undefined && node.type !== 'merge') others.push(node)
  }
  const seen = new Set(others.flatMap(node => node.seen))
  const named: CommitId[] = []
  for (const { id } of others) {
    if (seen.has(id) || (await checkGraph(repository, [id])).missing.size > 0) continue
    if ((await repository.readRef(WAITING_PREFIX + id)) === undefined)
      await repository.updateRef(WAITING_PREFIX + id, id, undefined)
    named.push(id)
  }
  return named
}

async function latestOf(
  graph: CommitGraph,
  ids: Iterable<CommitId | undefined>,
  replaced: ReadonlySet<CommitId>,
): Promise<GraphNode | undefined> {
  let latest: GraphNode | undefined
  for (const id of new Set(ids)) {
    const node = id === undefined || replaced.has(id) ? undefined : await readableNode(graph, id)
    if (node !== undefined) latest = laterOf(latest, node)
  }
  return latest
}
