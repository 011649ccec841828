import { type CommitId, isAtollError, type ObjectId } from '@atolldb/core'
import type { ObjectType, Repository } from '@atolldb/git'
import type { DataDirectory } from '../directory/data-directory.ts'
import { checkGraph } from './check-graph.ts'
import { withViewCopy } from './check-view.ts'
import { gitSource, isGitAddress } from './git-source.ts'
import { isThere } from './is-there.ts'
import { copyMissing } from './missing-objects.ts'
import { directorySource, type ObjectSource } from './object-source.ts'
import { peerSource, type PeersToAsk, type PeerSource } from './peer-source.ts'
import { viewSource } from './view-source.ts'

export interface RestoringParts {
  readonly directory: DataDirectory
  readonly repository: Repository
  /** Where the user says that objects can be had: see {@link openFrom}. Its owner closes it. */
  readonly from: ObjectSource | undefined
  readonly peers: PeersToAsk
  /** What was done, in words. */
  readonly onDone: (line: string) => void
}

/**
 * Puts missing objects back into a repository, from what is cheapest first: the source that the user named, the view, the peers.
 * Each is asked only for what those before it did not have.
 */
export class Restoring {
  readonly #parts: RestoringParts
  #peers: PeerSource | 'unasked' | undefined = 'unasked'

  constructor(parts: RestoringParts) {
    this.#parts = parts
  }

  /** What the commits given lead to, as far as it can be had. Returns what is missing yet. */
  async restore(
    roots: readonly CommitId[],
    { askPeers }: { readonly askPeers: boolean },
  ): Promise<ReadonlyMap<ObjectId, ObjectType>> {
    const { directory, repository, from } = this.#parts
    let { missing } = await checkGraph(repository, roots)
    const take = async (name: string, source: ObjectSource | undefined): Promise<void> => {
      if (source === undefined) return
      const asked = new Set<ObjectId>()
      let copied = 0
      // What is put back may stand on what is here, and that on more that is missing: it is seen only then.
      for (let last = 1; last > 0; copied += last) {
        const unasked = [...missing.keys()].filter(id => !asked.has(id))
        for (const id of unasked) asked.add(id)
        last = await copyMissing(repository, unasked, source)
        if (last > 0) ({ missing } = await checkGraph(repository, roots))
      }
      if (copied > 0) this.#parts.onDone(`${repository.directory}: ${copied} missing objects put back from ${name}`)
    }
    await take('--from', from)
    if (missing.size > 0)
      await withViewCopy(directory.view, async view => take('the view', await viewSource(view, repository)))
    if (missing.size > 0 && askPeers) await take('peers', await this.#askPeers(new Set(missing.keys())))
    return missing
  }

  /** Where the peers are, with all that it leads to: for a node whose own `main` is lost. Undefined where nobody answers. */
  async mainOfPeers(): Promise<CommitId | undefined> {
    const source = await this.#askPeers(new Set())
    if (source?.main === undefined) return undefined
    const { repository } = this.#parts
    const copied = await copyMissing(repository, [source.main], source)
    if (copied > 0) this.#parts.onDone(`${repository.directory}: ${copied} objects taken from peers`)
    return source.main
  }

  /** They were asked, and none of them sent anything. */
  get peersAreSilent(): boolean {
    return typeof this.#peers === 'object' && this.#peers.main === undefined
  }

  async close(): Promise<void> {
    if (typeof this.#peers === 'object') await this.#peers.close()
  }

  async #askPeers(missing: ReadonlySet<ObjectId>): Promise<PeerSource | undefined> {
    if (this.#peers === 'unasked') {
      this.#peers = await peerSource(this.#parts.directory, missing, this.#parts.peers)
      if (this.#peers?.main !== undefined)
        this.#parts.onDone(`the history of the cluster: fetched from ${this.#peers.peers} peers`)
    }
    return this.#peers
  }
}

/**
 * A data directory or a repository at a path is read as it is; an address, and a path to anything else that is there, is fetched from
 * by stock git.
 * @throws MISSING (nothing at that path), UNAVAILABLE, INVALID, STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function openFrom(directory: DataDirectory, from: string): Promise<ObjectSource> {
  if (isGitAddress(from) && !(await isThere(from))) return gitSource(directory, from)
  try {
    return await directorySource(from)
  } catch (error) {
    if (!isAtollError(error, 'MISSING') || !(await isThere(from))) throw error
    return gitSource(directory, from)
  }
}
