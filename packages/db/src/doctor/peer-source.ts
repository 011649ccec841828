import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type CommitId, isAtollError, type ObjectId } from '@atolldb/core'
import { makeDirectoryDurably, onFile, removeDurably, writeFileDurably } from '@atolldb/git'
import type { Database } from '../api/database.ts'
import { type DataDirectory, dataDirectory } from '../directory/data-directory.ts'
import { loadIdentity } from '../directory/identity.ts'
import { type NodeSettings, SettingsFile } from '../directory/settings.ts'
import { open } from '../open.ts'
import { directorySource, type ObjectSource } from './object-source.ts'

/** Where a node of the same identity takes in what peers have; in the data directory, so that it is on the same disk. */
const FROM_PEERS = 'from-peers'

/** Once one peer was heard to the end, another one that may have more is waited for so long. */
const FURTHER_PEERS_MS = 3_000

export interface PeersToAsk {
  /** Addresses beside those that the node remembers. */
  readonly bootstrap: readonly string[]
  /** Peers that bring nothing new for so long are waited for no more. */
  readonly waitMs: number
}

/** What peers have, as far as it was fetched. */
export interface PeerSource extends ObjectSource {
  /** Where they are; undefined where none of them sent anything. */
  readonly main: CommitId | undefined
  /** How many of them hold that. */
  readonly peers: number
}

/**
 * Fetches the history of the cluster from peers into a directory of its own, by a node that does nothing else: what comes over
 * the wire is verified there as it is anywhere, and none of it depends on what is damaged here. It needs the room for a second
 * copy until it is closed; what was fetched before a crash is not fetched again. Ends when a peer and all of `missing` are there,
 * or when nothing new has come for a while.
 *
 * @returns undefined where there is nobody to ask
 * @throws INVALID (an address), LOCKED, STORAGE_FULL, STORAGE_FAILED, NOT_ACCESSIBLE
 */
export async function peerSource(
  directory: DataDirectory,
  missing: ReadonlySet<ObjectId>,
  asked: PeersToAsk,
): Promise<PeerSource | undefined> {
  const settings = await readableSettings(directory)
  if (!hasPeers(settings, asked.bootstrap)) return undefined
  const scratch = dataDirectory(join(directory.path, FROM_PEERS))
  const db = await openScratch(directory, scratch, settings, asked.bootstrap)
  try {
    const source = await directorySource(scratch.path)
    const peers = await takeIn(db, source, missing, asked.waitMs)
    const { main } = await db.status()
    return {
      main,
      peers,
      read: id => source.read(id),
      async close() {
        await source.close()
        await removeDurably(scratch.path)
      },
    }
  } finally {
    await db.close()
  }
}

/** One that its operator took offline asks nobody, unless it is told whom. */
function hasPeers(settings: NodeSettings | undefined, bootstrap: readonly string[]): boolean {
  if (bootstrap.length > 0) return true
  if (settings === undefined || settings.offline || settings.cluster === undefined) return false
  return settings.addresses.length + settings.bootstrap.length > 0
}

/** Undefined where they are damaged. */
async function readableSettings(directory: DataDirectory): Promise<NodeSettings | undefined> {
  try {
    return (await SettingsFile.load(directory.state)).current
  } catch (error) {
    if (isAtollError(error, 'CORRUPT')) return undefined
    throw error
  }
}

/** One that a crash left behind goes on, unless it is damaged itself. */
async function openScratch(
  directory: DataDirectory,
  scratch: DataDirectory,
  settings: NodeSettings | undefined,
  bootstrap: readonly string[],
): Promise<Database> {
  try {
    await prepareScratch(directory, scratch, settings)
    return await openOnPeers(scratch, bootstrap)
  } catch (error) {
    if (!isAtollError(error, 'CORRUPT') && !isAtollError(error, 'OTHER_CLUSTER')) throw error
    await removeDurably(scratch.path)
    await prepareScratch(directory, scratch, settings)
    return openOnPeers(scratch, bootstrap)
  }
}

function openOnPeers(scratch: DataDirectory, bootstrap: readonly string[]): Promise<Database> {
  return open(scratch.path, {
    resume: true,
    listen: [],
    durability: 'os',
    ...(bootstrap.length > 0 ? { bootstrap } : {}),
  })
}

/** Members know the node by its key. What it announces goes by a smaller count of starts than its own, and is not heard. */
async function prepareScratch(
  directory: DataDirectory,
  scratch: DataDirectory,
  settings: NodeSettings | undefined,
): Promise<void> {
  await makeDirectoryDurably(scratch.state)
  const known = await SettingsFile.load(scratch.state)
  if (settings !== undefined) {
    const { name, cluster, addresses, bootstrap } = settings
    await known.change({ name, cluster, addresses: [...new Set([...addresses, ...bootstrap])], offline: false })
  }
  if (!(await hasKey(directory, settings))) return
  const key = await onFile(directory.identity, () => readFile(directory.identity))
  await writeFileDurably(scratch.identity, key, { mode: 0o600 })
}

async function hasKey(directory: DataDirectory, settings: NodeSettings | undefined): Promise<boolean> {
  try {
    await loadIdentity(directory.identity, { node: settings?.node })
    return true
  } catch (error) {
    if (isAtollError(error, 'CORRUPT')) return false
    throw error
  }
}

/** Returns how many peers hold what was taken in. */
async function takeIn(
  db: Database,
  source: ObjectSource,
  missing: ReadonlySet<ObjectId>,
  waitMs: number,
): Promise<number> {
  let peers = 0
  let { main } = await db.status()
  for (;;) {
    const before = main
    try {
      const timeout = peers === 0 ? waitMs : Math.min(waitMs, FURTHER_PEERS_MS)
      peers = (await db.synced({ peers: peers + 1, timeout })).peers.length
      ;({ main } = await db.status())
    } catch (error) {
      if (!isAtollError(error, 'TIMEOUT')) throw error
      ;({ main } = await db.status())
      if (main === before) return peers
    }
    // Where others write all the time it may never be in step, and need not.
    if (await hasAll(source, missing)) return peers
  }
}

async function hasAll(source: ObjectSource, ids: ReadonlySet<ObjectId>): Promise<boolean> {
  for (const id of ids) if ((await source.read(id)) === undefined) return false
  return true
}
