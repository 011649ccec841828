import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { CommitGraph, type CommitId, isAtollError } from '@atolldb/core'
import {
  checkLooseObjects,
  checkRepositoryFiles,
  createRepository,
  mendPack,
  removeDurably,
  Repository,
} from '@atolldb/git'
import type { DataDirectory } from '../directory/data-directory.ts'
import { loadIdentity } from '../directory/identity.ts'
import { SettingsFile, settingsFile } from '../directory/settings.ts'
import { MAIN_REF, WAITING_PREFIX } from '../engine/branch.ts'
import { readableNode } from '../engine/readable-node.ts'
import {
  type Diagnosis,
  type DiagnoseOptions,
  examine,
  type FullDiagnosis,
  hasBegunOnce,
  namedByRefs,
  openForInspection,
  whileLocked,
} from './diagnose.ts'
import type { CheckName } from './finding.ts'
import { mendJournal } from './mend-journal.ts'
import { mendMain, nameOtherHeads, setDamagedRefsAside } from './mend-refs.ts'
import { mendFormat, mendSettings, replaceIdentity } from './mend-settings.ts'
import type { ObjectSource } from './object-source.ts'
import { ownHistory, pastMains, rememberedCommits } from './remembered.ts'
import { openFrom, Restoring } from './restoring.ts'
import { setAside } from './set-aside.ts'

export interface RepairOptions extends DiagnoseOptions {
  /**
   * Another node's data directory, a clone of its repository, or an address that stock git can fetch from: what is missing here is
   * taken from it.
   */
  readonly from?: string
  /** Multiaddrs of peers to fetch from what is missing, beside those that the node remembers. */
  readonly bootstrap?: readonly string[]
  /** Peers that bring nothing new for so long are waited for no more. Milliseconds, default 15,000. */
  readonly peerWaitMs?: number
  /** Where the key is damaged, make a new one: the directory becomes that of a new node. */
  readonly newIdentity?: boolean
}

const DEFAULT_PEER_WAIT_MS = 15_000

/** What was done. */
export interface Repair {
  readonly before: Diagnosis
  /** In words, in the order it was done. */
  readonly done: readonly string[]
  /** What is gone for good, as far as this node can tell; in words. */
  readonly lost: readonly string[]
  /** What is still damaged. */
  readonly after: Diagnosis
}

/**
 * Mends what can be mended in the directory of a node that is not running: the index of a pack from the pack, a pack from what
 * is whole of it, missing objects from `from`, from the view, and from the peers that the node remembers unless it is offline, refs from what view and journal remember, the journal from
 * its intact frames, the settings from the history, the view from all of them. What was damaged is kept in `damaged/`, and
 * nothing is removed. Where nothing is damaged, nothing is done; it can be repeated after a crash.
 *
 * @throws MISSING (no data directory, or nothing at `from`), UNAVAILABLE (`from` cannot be fetched), INVALID (an address), LOCKED, NEWER_FORMAT, NOT_ACCESSIBLE, STORAGE_FULL,
 * STORAGE_FAILED
 *
 * @example
 * const { lost, after } = await repair('./farm', { from: '/mnt/other-farm' })
 */
export async function repair(path: string, options: RepairOptions = {}): Promise<Repair> {
  return whileLocked(path, options, async directory => {
    const before = await examine(directory, options.onProgress)
    if (before.findings.length === 0) return { before: told(before), done: [], lost: [], after: told(before) }
    const mending = new Mending(directory, options)
    await mending.run(before)
    const after = await examine(directory, options.onProgress)
    return { before: told(before), done: mending.done, lost: mending.lost, after: told(after) }
  })
}

/**
 * Throws the view away; the node makes it anew when it opens.
 * @throws MISSING (no data directory), LOCKED, NEWER_FORMAT, NOT_ACCESSIBLE
 */
export async function rebuild(path: string, options: DiagnoseOptions = {}): Promise<void> {
  await whileLocked(path, options, directory => removeDurably(directory.view))
}

class Mending {
  readonly done: string[] = []
  readonly lost: string[] = []
  readonly #directory: DataDirectory
  readonly #options: RepairOptions

  constructor(directory: DataDirectory, options: RepairOptions) {
    this.#directory = directory
    this.#options = options
  }

  async run(found: FullDiagnosis): Promise<void> {
    const { from: wanted } = this.#options
    // First: where it is wrong, nothing was changed.
    const from = wanted === undefined ? undefined : await openFrom(this.#directory, wanted)
    try {
      if (await mendFormat(this.#directory)) this.done.push('format: written anew')
      if (!(await this.#mendRepositoryFiles())) return
      await this.#mendPacks(found)
      const repository = await Repository.open(this.#directory.repository, { inspect: true })
      try {
        await this.#mendHistory(found, repository, from)
      } finally {
        await repository.close()
      }
    } finally {
      await from?.close()
    }
  }

  async #mendHistory(found: FullDiagnosis, repository: Repository, from: ObjectSource | undefined): Promise<void> {
    const directory = this.#directory
    const damaged = new Set<CheckName>(found.findings.map(({ check }) => check))
    const restoring = new Restoring({
      directory,
      repository,
      from,
      peers: { bootstrap: this.#options.bootstrap ?? [], waitMs: this.#options.peerWaitMs ?? DEFAULT_PEER_WAIT_MS },
      onDone: line => this.done.push(line),
    })
    try {
      for (const file of await setDamagedRefsAside(directory, repository)) this.done.push(`${file}: set aside`)
      const graph = new CommitGraph(repository)
      const moved = await this.#mendMain(repository, graph, restoring)
      await this.#mendMissing(repository, restoring)
      const main = (await repository.readRef(MAIN_REF)) as CommitId | undefined
      await this.#mendState(graph, main)
      // What only a lost commit had is in the journal yet, or may be.
      if (damaged.has('journal') || moved !== undefined) await this.#mendJournal(graph, main)
      if (!damaged.has('view') && !damaged.has('journal') && moved === undefined) return
      if ((await setAside(directory, directory.view)) !== undefined)
        this.done.push('view: set aside; it is made anew when the node opens')
    } finally {
      await restoring.close()
    }
  }

  /** What `main` was put to, where it could not stay. */
  async #mendMain(repository: Repository, graph: CommitGraph, restoring: Restoring): Promise<CommitId | undefined> {
    const remembered = await rememberedCommits(this.#directory)
    const before = (await repository.readRef(MAIN_REF)) as CommitId | undefined
    const isLost = async (): Promise<boolean> =>
      before === undefined ? hasBegunOnce(this.#directory) : (await readableNode(graph, before)) === undefined
    await restoring.restore([...(await namedByRefs(repository)), ...remembered], { askPeers: await isLost() })
    if (!(await isLost())) return undefined
    const past = [...remembered, ...(await pastMains(this.#directory))]
    // Where only the ref is lost, nobody need be asked.
    const mainOfPeers = (await areReadable(graph, past)) ? undefined : await restoring.mainOfPeers()
    const known = mainOfPeers === undefined ? past : [...past, mainOfPeers]
    const moved = await mendMain(repository, graph, known)
    if (moved === undefined) return undefined
    this.done.push(`${MAIN_REF}: put to ${moved}`)
    const others = await nameOtherHeads(repository, graph, known)
    for (const id of others) this.done.push(`${WAITING_PREFIX}${id}: named; it is merged when the node opens`)
    if (before !== undefined) this.lost.push(lostMain(before, mainOfPeers !== undefined))
    return moved
  }

  /** False where there is no repository, and none can be had. */
  async #mendRepositoryFiles(): Promise<boolean> {
    const { repository } = this.#directory
    if ((await openForInspection(repository)) === undefined && !(await isDirectory(join(repository, 'objects')))) {
      if (this.#options.from === undefined && this.#options.bootstrap === undefined) {
        this.lost.push(
          `${repository}: it is not there; mount its disk, or say what to take it from: --from, --bootstrap`,
        )
        return false
      }
    } else if ((await checkRepositoryFiles(repository)).length === 0) return true
    // Both are written anew: what a user had in the config is in the one that is kept.
    for (const name of ['HEAD', 'config']) await setAside(this.#directory, join(repository, name))
    await createRepository(repository)
    this.done.push(`${repository}: HEAD and config written anew`)
    return true
  }

  async #mendPacks({ damagedPacks }: FullDiagnosis): Promise<void> {
    const { repository } = this.#directory
    const packs = join(repository, 'objects/pack')
    for (const pack of damagedPacks) {
      const { how, objects, lost } = await mendPack(
        packs,
        pack,
        async file => void (await setAside(this.#directory, file)),
      )
      const file = join(packs, `pack-${pack.name}`)
      if (how === 'index') this.done.push(`${file}.idx: made again from its pack`)
      else this.done.push(`${file}.pack: ${objects} objects salvaged, ${lost.length} were damaged; set aside`)
    }
    for (const { file } of await checkLooseObjects(repository)) {
      await setAside(this.#directory, file)
      this.done.push(`${file}: set aside`)
    }
  }

  async #mendMissing(repository: Repository, restoring: Restoring): Promise<void> {
    const missing = await restoring.restore(await namedByRefs(repository), { askPeers: true })
    for (const [id, type] of missing) this.lost.push(`${type} ${id}: missing from the repository`)
    if (missing.size > 0 && restoring.peersAreSilent) this.lost.push('what peers may have of it: none of them answered')
  }

  async #mendState(graph: CommitGraph, main: CommitId | undefined): Promise<void> {
    const directory = this.#directory
    if (await mendSettings(directory, graph, main, Date.now())) {
      this.done.push(`${settingsFile(directory.state)}: made anew`)
      this.lost.push('the name of the node, its addresses, and whether it was offline: give them again with atoll up')
    }
    if (this.#options.newIdentity !== true) return
    const node = await replaceIdentity(directory)
    if (node === undefined) return
    this.done.push(`${directory.identity}: made anew; this is the node ${node} now`)
    this.lost.push('the key of the node that this was')
  }

  async #mendJournal(graph: CommitGraph, main: CommitId | undefined): Promise<void> {
    const node = await nodeOf(this.#directory)
    const { commits, latestOwnClock } = await ownHistory(graph, main, node)
    const { kept, lost } = await mendJournal(this.#directory, { main, latestOwnClock, commits })
    this.done.push(`${this.#directory.journal}: written anew; ${kept} entries are pending`)
    for (const { from, to } of lost)
      this.lost.push(from === to ? `entry ${from} of the journal` : `entries ${from} to ${to} of the journal`)
    this.lost.push('of the journal, what may have followed its last intact entry')
  }
}

/** False where there are none. */
async function areReadable(graph: CommitGraph, commits: readonly CommitId[]): Promise<boolean> {
  for (const id of commits) if ((await readableNode(graph, id)) === undefined) return false
  return commits.length > 0
}

function lostMain(commit: CommitId, isWithPeers: boolean): string {
  const where = `commit ${commit}, where ${MAIN_REF} was`
  return isWithPeers
    ? `what ${where}, had and no peer has; the journal may have its last changes`
    : `the history of ${where}; the journal may have its last changes`
}

function told({ directory, findings, checked }: FullDiagnosis): Diagnosis {
  return { directory, findings, checked }
}

/** Undefined where neither key nor settings tell. */
async function nodeOf(directory: DataDirectory): Promise<string | undefined> {
  const { node } = (await SettingsFile.load(directory.state)).current
  if (node !== undefined) return node
  try {
    return (await loadIdentity(directory.identity, {})).signer.node
  } catch (error) {
    if (isAtollError(error, 'CORRUPT')) return undefined
    throw error
  }
}

async function isDirectory(path: string): Promise<boolean> {
  return stat(path).then(
    found => found.isDirectory(),
    () => false,
  )
}
