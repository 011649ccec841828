import { randomBytes } from 'node:crypto'
import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { createClient, ClientError, type Client } from '@atolldb/client'
import { AtollError, isAtollError } from '@atolldb/core/errors'
import { httpFetch } from './http-fetch.ts'
import { readDoorFile, type DoorFile } from '@atolldb/server/door-file'
import { notRunning } from './failures.ts'

/** A client of the node on a directory: of the one that runs, or of one opened here for the moment. */
export interface Connection {
  readonly client: Client
  /** Undefined when no node runs, and this process has the directory open itself. */
  readonly running: DoorFile | undefined
  close(): Promise<void>
}

/** How long to wait for another command to let go of the directory. */
const LOCK_WAIT_MS = 5_000
const PROBE_TIMEOUT_MS = 5_000

/**
 * One way for both cases: the same client, whose requests go over HTTP to a running node, or straight into the same routes on
 * a node opened in this process, without network.
 *
 * @throws NOT_RUNNING, MISSING (no data directory), LOCKED, and what `open` throws
 */
export async function connect(
  directory: string,
  { needsRunningNode = false }: { needsRunningNode?: boolean } = {},
): Promise<Connection> {
  const running = await findRunningNode(directory)
  if (running !== undefined) return remote(running)
  if (needsRunningNode) throw notRunning(directory)
  await checkIsDataDirectory(directory)
  try {
    return await openHere(directory)
  } catch (error) {
    // A node may have opened its door while this process waited for the lock.
    const started = isAtollError(error, 'LOCKED') ? await findRunningNode(directory) : undefined
    if (started === undefined) throw error
    return remote(started)
  }
}

function remote(door: DoorFile): Connection {
  return { client: createClient({ ...door, fetch: httpFetch }), running: door, close: () => Promise.resolve() }
}

async function openHere(directory: string): Promise<Connection> {
  // Loaded only here: a command that talks to a running node starts faster without the network stack.
  const [{ open }, { createApp }] = await Promise.all([import('atolldb'), import('@atolldb/server/app')])
  const db = await open(directory, { lockWaitMs: LOCK_WAIT_MS })
  const token = randomBytes(32).toString('base64url')
  const app = createApp(db, { token })
  const client = createClient({ url: 'http://localhost', token, fetch: (url, request) => app.request(url, request) })
  return { client, running: undefined, close: () => db.close() }
}

/**
 * The door of a node that runs and answers; undefined for none, and for a door left behind by a crash: its process is gone,
 * nobody listens, or somebody else does.
 *
 * @throws TIMEOUT when the process is there but does not answer
 */
export async function findRunningNode(directory: string): Promise<DoorFile | undefined> {
  const door = await readDoorFile(directory)
  if (door === undefined || !isAlive(door.pid)) return undefined
  try {
    await createClient({ ...door, fetch: httpFetch }).node({ signal: AbortSignal.timeout(PROBE_TIMEOUT_MS) })
    return door
  } catch (error) {
    if (!(error instanceof ClientError)) throw error
    if (error.code !== 'ABORTED') return undefined
    throw new AtollError('TIMEOUT', `the node on ${directory} (process ${door.pid}) does not answer`, {
      what: 'answer of the node',
      timeoutMs: PROBE_TIMEOUT_MS,
    })
  }
}

export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: it is there, and belongs to another user.
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}

/** Only `init` and `up` make a data directory: a mistyped name must not become an empty database. @throws MISSING */
async function checkIsDataDirectory(directory: string): Promise<void> {
  try {
    await stat(join(directory, 'format'))
  } catch (error) {
    // Anything but absence is told by `open`, which knows the reasons.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') return
    throw new AtollError('MISSING', `there is no Atoll data directory at ${directory}`, { what: 'data directory' })
  }
}
