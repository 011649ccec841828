import { createListClient, createObjectClient, encodeName, type ListClient, type ObjectClient } from './collections.ts'
import { createConflictsClient, type ConflictsClient, type ConflictsOptions } from './conflicts.ts'
import { encodeBase64, encodeJson } from './content.ts'
import { createHttpDoor, type Fetch, type HttpDoor } from './door.ts'
import { ClientError } from './errors.ts'
import { createSettingsClient, type SettingsClient } from './settings.ts'
import { createHistoryClient, type HistoryClient } from './history.ts'
import type {
  BatchOperation,
  CallOptions,
  CollectionInfo,
  CollectionRef,
  CompactionSummary,
  Dropped,
  JsonValue,
  NodeInfo,
  PeerStatus,
  Status,
} from './wire.ts'

export interface ClientOptions {
  /** Of the node's door, e.g. `http://127.0.0.1:7400`. */
  readonly url: string
  readonly token: string
  /** Default: the platform's `fetch`. */
  readonly fetch?: Fetch
}

export interface SyncOptions extends CallOptions {
  /** How many other nodes must hold the same `main`. Default 1. */
  readonly peers?: number
  /** Milliseconds, default 30,000. */
  readonly timeout?: number
}

export interface CompactOptions extends CallOptions {
  /** Objects that were put together, of so many; a few times a second. */
  readonly onProgress?: (progress: { readonly done: number; readonly total: number }) => void
}

/** A node, spoken to through its door. Names, meanings and error codes are the library's. */
export interface Client extends SettingsClient, HistoryClient {
  object<T = JsonValue>(name: string): ObjectClient<T>
  list<T = JsonValue>(name: string): ListClient<T>
  collections(options?: CallOptions): Promise<CollectionInfo[]>
  /**
   * Deletes all records of a collection, its conflicts and its settings, as the library does: what is written meanwhile stays.
   * @throws INVALID, ABORTED (some are deleted; call it again)
   */
  drop(collection: CollectionRef, options?: CallOptions): Promise<Dropped>
  /** All or nothing, one commit, at most 10,000 operations. Resolves with the ids of the records, in order. */
  batch(operations: readonly BatchOperation[], options?: CallOptions): Promise<string[]>
  node(options?: CallOptions): Promise<NodeInfo>
  status(options?: CallOptions): Promise<Status>
  peers(options?: CallOptions): Promise<PeerStatus[]>
  /** The records in conflict whose policy had to drop something that someone wrote. */
  conflicts(options?: ConflictsOptions): ConflictsClient
  flush(options?: CallOptions): Promise<{ commit: string }>
  /** Puts the packs of the repository into one. Aborted, nothing has changed. */
  compact(options?: CompactOptions): Promise<CompactionSummary>
  /** @throws TIMEOUT */
  sync(options?: SyncOptions): Promise<{ main: string; peers: string[] }>
  offline(options?: CallOptions): Promise<void>
  online(options?: CallOptions): Promise<void>
  /** Asks the node's process to end in good order; resolves when it said that it will. */
  shutdown(options?: CallOptions): Promise<void>
}

const DEFAULT_SYNC_TIMEOUT_MS = 30_000
/** One request of `sync` waits this long, so that no proxy or platform gives up on it first. */
const SYNC_SLICE_MS = 60_000

/**
 * @example
 * const client = createClient({ url: 'http://127.0.0.1:7400', token })
 * await client.object('farms').put('north', { crop: 'rye' })
 */
export function createClient({ url, token, fetch = globalThis.fetch }: ClientOptions): Client {
  const door = createHttpDoor(url, token, (address, request) => fetch(address, request))
  const get = <R>(path: string, { signal }: CallOptions = {}): Promise<R> =>
    door.json<R>({ method: 'GET', path, signal })
  const post = <R>(path: string, body: unknown, { signal }: CallOptions = {}): Promise<R> =>
    door.json<R>({
      method: 'POST',
      path,
      headers: { 'content-type': 'application/json' },
      body: encodeJson(body),
      signal,
    })

  return {
    object: name => createObjectClient(door, name),
    list: name => createListClient(door, name),
    ...createSettingsClient(door),
    collections: async options =>
      (await get<{ collections: CollectionInfo[] }>('/v1/collections', options)).collections,
    drop: ({ kind, name }, { signal } = {}) =>
      door.json({ method: 'DELETE', path: `/v1/collections/${kind}/${encodeName(name)}`, signal }),
    batch: async (operations, options) =>
      (await post<{ ids: string[] }>('/v1/batch', operations.map(withBase64), options)).ids,
    async node(options) {
      const { cluster, ...info } = await get<Omit<NodeInfo, 'cluster'> & { cluster: string | null }>(
        '/v1/node',
        options,
      )
      return { ...info, cluster: cluster ?? undefined }
    },
    status: options => get('/v1/status', options),
    peers: async options => (await get<{ peers: PeerStatus[] }>('/v1/peers', options)).peers,
    conflicts: options => createConflictsClient(door, options),
    ...createHistoryClient(door),
    flush: options => post('/v1/flush', {}, options),
    compact: options => compact(door, options),
    sync: options => sync(post, options),
    async offline(options) {
      await post('/v1/offline', {}, options)
    },
    async online(options) {
      await post('/v1/online', {}, options)
    },
    async shutdown(options) {
      await post('/v1/shutdown', {}, options)
    },
  }
}

function withBase64(operation: BatchOperation): unknown {
  if (!('value' in operation) || !(operation.value instanceof Uint8Array)) return operation
  const { value, ...rest } = operation
  return { ...rest, bytes: encodeBase64(value) }
}

async function compact(door: HttpDoor, { onProgress, signal }: CompactOptions = {}): Promise<CompactionSummary> {
  const call = { method: 'POST', path: '/v1/compact', body: '{}', signal } as const
  for await (const line of door.lines({ ...call, headers: { 'content-type': 'application/json' } })) {
    const { summary, ...progress } = line as { summary?: CompactionSummary; done: number; total: number }
    if (summary !== undefined) return summary
    onProgress?.(progress)
  }
  const reason = 'the answer ended early'
  throw new ClientError('PROTOCOL', reason, { data: { reason } })
}

async function sync(
  post: <R>(path: string, body: unknown, options?: CallOptions) => Promise<R>,
  { peers = 1, timeout = DEFAULT_SYNC_TIMEOUT_MS, signal }: SyncOptions = {},
): Promise<{ main: string; peers: string[] }> {
  const call = signal === undefined ? {} : { signal }
  for (let left = timeout; ; left -= SYNC_SLICE_MS)
    try {
      return await post('/v1/sync', { peers, timeout: Math.min(left, SYNC_SLICE_MS) }, call)
    } catch (error) {
      const again = error instanceof ClientError && error.code === 'TIMEOUT' && left > SYNC_SLICE_MS
      if (again) continue
      if (error instanceof ClientError && error.code === 'TIMEOUT')
        throw new ClientError('TIMEOUT', error.message, {
          status: error.status,
          data: { ...error.data, timeoutMs: timeout },
          cause: error,
        })
      throw error
    }
}
