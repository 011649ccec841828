import { AtollError, byStamp, CommitGraph, type CommitId, type DataNode, invalid, isAhead } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import type { DataDirectory } from '../directory/data-directory.ts'
import { loadIdentity } from '../directory/identity.ts'
import { SettingsFile } from '../directory/settings.ts'
import { beforeReclockRef, commitsAhead } from '../engine/before-reclock.ts'
import { Branch } from '../engine/branch.ts'
import { readableNode } from '../engine/readable-node.ts'
import { trustedNowMs } from '../engine/wall-clock.ts'
import { type Move, MoveLog } from '../history/moves.ts'
import { readSegments } from '../journal/segments.ts'
import { open } from '../open.ts'
import { createRuleRunner } from '../rules/rule-runner.ts'
import { Schemas } from '../rules/schemas.ts'
import { ScriptSandbox } from '../rules/script-sandbox.ts'
import { type DiagnoseOptions, whileLocked } from './diagnose.ts'
import { Resealing } from './resealing.ts'

export interface ReclockOptions extends Pick<DiagnoseOptions, 'lockWaitMs'> {
  /** Where `main` has commits of others that are ahead too: leave them out, since their nodes have to do the same. */
  readonly withoutOthers?: boolean
  /** The wall clock, in milliseconds since 1970. Default: that of the machine. */
  readonly nowMs?: () => number
}

/** What was done. */
export interface Reclocking {
  readonly main: CommitId
  /** Commits of this node that were ahead, in order, each with the one that has its changes now; undefined where it has none left. */
  readonly resealed: readonly { readonly from: CommitId; readonly to: CommitId | undefined }[]
  /** Commits of others that are no part of `main` any more. */
  readonly leftOut: readonly CommitId[]
  /** What names the old commits; none where nothing was ahead. */
  readonly ref: string | undefined
}

/** In threads only where it runs compiled. */
const isCompiled = import.meta.url.endsWith('.js')

/**
 * For a node whose clock ran ahead for a while, so that everybody holds its commits back: seals them again, with the same changes in the
 * same order, upon what they were made upon, and with clocks of now. The old ones are kept and named, and are heads no more; the clock
 * of the node falls back. The node must not run, and its wall clock must be right by now. Where nothing is ahead, nothing is done.
 *
 * Where the clocks are ahead by less than one can wait, wait instead: others take the commits when their clocks get there.
 *
 * @throws INVALID (the wall clock cannot be right; `main` has commits of others that are ahead; the cluster itself was founded ahead),
 * MISSING (no data directory), LOCKED, NO_CLUSTER, CORRUPT, NEWER_FORMAT, NOT_ACCESSIBLE, STORAGE_FULL, STORAGE_FAILED
 *
 * @example
 * const { resealed, ref } = await reclock('./farm')
 */
export async function reclock(path: string, options: ReclockOptions = {}): Promise<Reclocking> {
  const nowMs = options.nowMs ?? Date.now
  if (trustedNowMs(nowMs(), undefined) === undefined)
    throw invalid('wall clock', `it says ${new Date(nowMs()).toISOString()}, which cannot be: set this machine's clock`)
  await whileLocked(path, options, async () => undefined)
  // What is pending has clocks that are ahead as well; sealed it is like the rest.
  await sealPending(path, options)
  return whileLocked(path, options, async directory => {
    const repository = await Repository.open(directory.repository)
    try {
      return await reclockRepository(directory, repository, { nowMs, withoutOthers: options.withoutOthers ?? false })
    } finally {
      await repository.close()
    }
  })
}

async function sealPending(path: string, { lockWaitMs }: ReclockOptions): Promise<void> {
  const db = await open(path, lockWaitMs === undefined ? {} : { lockWaitMs })
  try {
    await db.flush()
  } finally {
    await db.close()
  }
}

async function reclockRepository(
  directory: DataDirectory,
  repository: Repository,
  { nowMs, withoutOthers }: { readonly nowMs: () => number; readonly withoutOthers: boolean },
): Promise<Reclocking> {
  const sealedSequence = await assertNothingPending(directory)
  const { name, node: known, incarnation } = (await SettingsFile.load(directory.state)).current
  const { signer } = await loadIdentity(directory.identity, { node: known })
  const graph = new CommitGraph(repository)
  const branch = await Branch.load(repository, graph)
  const { state } = branch
  if (state === undefined) throw invalid('reclock', 'the node has no main')
  const startMs = nowMs()
  const heads = [...state.heads, ...branch.waiting]
  const ahead = await dataCommitsAhead(graph, heads, startMs)
  if (ahead.length === 0) return { main: state.main, resealed: [], leftOut: [], ref: undefined }
  const others = ahead.filter(({ stamp }) => stamp.node !== signer.node)
  if (!withoutOthers) await assertOwn(repository, graph, { ahead, others, startMs })

  const sandbox = new ScriptSandbox({ inThread: isCompiled })
  const rules = createRuleRunner(new Schemas(), sandbox)
  try {
    const resealing = new Resealing({ repository, rules, author: { name: name ?? signer.node, signer }, nowMs })
    const resealed: { from: CommitId; to: CommitId | undefined }[] = []
    for (const node of ahead)
      if (node.stamp.node === signer.node) resealed.push({ from: node.id, to: await resealing.again(node) })
      else await resealing.leaveOut(node)
    const { main, tree, heads: next, waiting } = await resealing.finish(heads)
    // Named before anything else lets go of them.
    const ref = await nameOld(repository, [state.main, ...branch.waiting], startMs)
    await branch.move({ main, heads: next, tree })
    await branch.keepWaiting(waiting)
    await noteMove(directory, { main, sealed: sealedSequence, incarnation })
    return { main, resealed, leftOut: others.map(({ id }) => id), ref }
  } finally {
    await sandbox.close()
  }
}

/** The earliest first, so that parents come before their children. */
async function dataCommitsAhead(graph: CommitGraph, heads: readonly CommitId[], nowMs: number): Promise<DataNode[]> {
  const ahead: DataNode[] = []
  for (const id of await commitsAhead(commit => graph.node(commit), heads, nowMs)) {
    const node = await graph.node(id)
    if (node.type === 'root')
      throw invalid(
        'reclock',
        `the cluster itself was founded at ${new Date(node.clock.ms).toISOString()}; export what it holds, and import it into a new one`,
      )
    if (node.type === 'data') ahead.push(node)
  }
  return byStamp(ahead)
}

/** Another node took what is ahead for good, or ran ahead itself: or is it our wall clock that is wrong? @throws INVALID */
async function assertOwn(
  repository: Repository,
  graph: CommitGraph,
  { ahead, others, startMs }: { ahead: readonly DataNode[]; others: readonly DataNode[]; startMs: number },
): Promise<void> {
  const stranger = others[0] ?? (await strangerUpon(repository, graph, ahead, startMs))
  if (stranger === undefined) return
  const { node, clock } = stranger.stamp
  throw invalid(
    'reclock',
    `commit ${stranger.id} of ${node} is ahead as well (${new Date(clock.ms).toISOString()}). If this machine's clock is wrong, set it; if that node ran ahead too, reclock it as well, and here leave it out (--without-others)`,
  )
}

/** A commit of another node that stands upon one that is ahead, whether we adopted it or not. */
async function strangerUpon(
  repository: Repository,
  graph: CommitGraph,
  ahead: readonly DataNode[],
  startMs: number,
): Promise<DataNode | undefined> {
  const ours = new Set(ahead.map(({ id }) => id))
  const own = new Set(ahead.map(({ stamp }) => stamp.node))
  for (const id of await repository.listCommits()) {
    const node = await readableNode(graph, id)
    if (node === undefined || node.type === 'merge' || own.has(node.stamp.node) || !isAhead(node.clock, startMs))
      continue
    for (const upon of await commitsAhead(commit => graph.node(commit), [id], startMs)) if (ours.has(upon)) return node
  }
  return undefined
}

async function nameOld(repository: Repository, commits: readonly CommitId[], nowMs: number): Promise<string> {
  const known = await repository.listRefs(beforeReclockRef(nowMs, 0))
  let number = known.size
  const first = beforeReclockRef(nowMs, number)
  for (const id of commits) await repository.updateRef(beforeReclockRef(nowMs, number++), id, undefined)
  return first
}

/** View and journal remember what `main` was; should the ref be lost, something must know what it is. */
async function noteMove({ state }: DataDirectory, { main, sealed, incarnation }: Move): Promise<void> {
  const moves = await MoveLog.open(state, incarnation)
  moves.add(main, sealed)
  await moves.close()
}

/** Between the seal and the lock another process may have been here. Gives the last sealed entry. @throws LOCKED */
async function assertNothingPending(directory: DataDirectory): Promise<number> {
  const { entries, sealedSequence } = await readSegments(directory.journal)
  if (entries.some(({ sequence }) => sequence > sealedSequence))
    throw new AtollError('LOCKED', `another process wrote to ${directory.path} meanwhile; try again`, {
      directory: directory.path,
    })
  return sealedSequence
}
