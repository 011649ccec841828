import { createReadable, type ReadableClient } from './collections.ts'
import { decodeBase64, encodeJson } from './content.ts'
import type { HttpDoor } from './door.ts'
import { ClientError } from './errors.ts'
import type {
  CallOptions,
  CollectionRef,
  FeedChange,
  JsonValue,
  LogEntry,
  NamedRef,
  RecordChange,
  RecordScope,
  StoredValue,
} from './wire.ts'

/** The database as it was in one commit. */
export interface SnapshotClient {
  readonly commit: string
  readonly time: Date
  object<T = JsonValue>(name: string): ReadableClient<T>
  list<T = JsonValue>(name: string): ReadableClient<T>
  /** The collections that had records. */
  collections(options?: CallOptions): Promise<CollectionRef[]>
}

export interface LogOptions extends RecordScope, CallOptions {
  readonly limit?: number
  readonly from?: string
}

export interface ChangesOptions extends RecordScope, CallOptions {
  readonly since?: string
  readonly live?: boolean
  /** Called with each cursor up to which everything of the scope was told, also where that is nothing. */
  readonly onReached?: (cursor: string) => void
}

export interface RefsClient {
  get(name: string, options?: CallOptions): Promise<string | undefined>
  list(options?: CallOptions): Promise<NamedRef[]>
  /** @throws CONFLICT, MISSING, INVALID */
  update(name: string, next: string, previous?: string, options?: CallOptions): Promise<NamedRef>
  /** @throws CONFLICT, INVALID */
  delete(name: string, previous: string, options?: CallOptions): Promise<void>
}

/** What was; names, meanings and errors are the library's. Commits go by any name that the library's `at` takes. */
export interface HistoryClient {
  at(commit: string, options?: CallOptions): Promise<SnapshotClient>
  log(options?: LogOptions): AsyncIterable<LogEntry>
  show(commit: string, options?: CallOptions): Promise<LogEntry & { readonly changes: AsyncIterable<RecordChange> }>
  diff(from: string, to: string, options?: RecordScope & CallOptions): AsyncIterable<RecordChange>
  /** The feed, by long polls: a connection that breaks ends it, and `since` the last cursor goes on. */
  changes(options?: ChangesOptions): AsyncIterable<FeedChange>
  cursor(options?: CallOptions): Promise<string>
  readonly refs: RefsClient
}

type WireValue = { readonly version: string } & ({ readonly value: unknown } | { readonly bytes: string })
type WireChange = Omit<RecordChange, 'before' | 'after'> & { readonly before?: WireValue; readonly after?: WireValue }
type WireEntry = Omit<LogEntry, 'time' | 'change'> & { readonly time: string; readonly change?: WireChange }
interface Poll {
  readonly changes: readonly (FeedChange & { readonly bytes?: string })[]
  readonly cursor: string
}

export function createHistoryClient(door: HttpDoor): HistoryClient {
  const poll = (query: Readonly<Record<string, string | undefined>>, signal?: AbortSignal): Promise<Poll> =>
    door.json<Poll>({ method: 'GET', path: '/v1/changes', query, signal })
  return {
    async at(commit, { signal } = {}) {
      const found = await door.json<NamedRef & { time: string }>({
        method: 'GET',
        path: '/v1/at',
        query: { commit },
        signal,
      })
      return {
        commit: found.commit,
        time: new Date(found.time),
        object: name => createReadable(door, 'objects', name, found.commit),
        list: name => createReadable(door, 'lists', name, found.commit),
        async collections(options = {}) {
          const query = { at: found.commit }
          const call = { method: 'GET', path: '/v1/collections', query, signal: options.signal } as const
          return (await door.json<{ collections: CollectionRef[] }>(call)).collections
        },
      }
    },
    async *log({ limit, from, signal, ...scope } = {}) {
      const query = { limit: limit?.toString(), from, ...scopeQuery(scope) }
      for await (const line of door.lines({ method: 'GET', path: '/v1/log', query, signal }))
        yield toEntry(line as WireEntry)
    },
    async show(commit, { signal } = {}) {
      const lines = door.lines({ method: 'GET', path: '/v1/show', query: { commit }, signal })[Symbol.asyncIterator]()
      const first = await lines.next()
      return { ...toEntry(first.value as WireEntry), changes: toChanges({ [Symbol.asyncIterator]: () => lines }) }
    },
    diff: (from, to, { signal, ...scope } = {}) =>
      toChanges(door.lines({ method: 'GET', path: '/v1/diff', query: { from, to, ...scopeQuery(scope) }, signal })),
    async *changes({ since, live = true, signal, onReached, ...scope } = {}) {
      let cursor = since
      for (;;) {
        const query = { since: cursor, ...scopeQuery(scope), ...(live ? {} : { wait: '0' }) }
        const answer = await poll(query, signal)
        for (const { bytes, ...change } of answer.changes)
          yield bytes === undefined ? change : { ...change, value: decodeBase64(bytes) }
        cursor = answer.cursor
        onReached?.(cursor)
        if (!live && answer.changes.length === 0) return
      }
    },
    cursor: async ({ signal } = {}) => (await poll({ wait: '0' }, signal)).cursor,
    refs: createRefsClient(door),
  }
}

function createRefsClient(door: HttpDoor): RefsClient {
  const path = (name: string): string => `/v1/refs/${encodeURIComponent(name)}`
  return {
    async get(name, { signal } = {}) {
      try {
        return (await door.json<NamedRef>({ method: 'GET', path: path(name), signal })).commit
      } catch (error) {
        if (error instanceof ClientError && error.code === 'MISSING' && error.data['what'] === 'ref') return undefined
        throw error
      }
    },
    list: async ({ signal } = {}) =>
      (await door.json<{ refs: NamedRef[] }>({ method: 'GET', path: '/v1/refs', signal })).refs,
    update: (name, next, previous, { signal } = {}) =>
      door.json<NamedRef>({
        method: 'PUT',
        path: path(name),
        headers: { 'content-type': 'application/json' },
        body: encodeJson(previous === undefined ? { next } : { next, previous }),
        signal,
      }),
    async delete(name, previous, { signal } = {}) {
      await door.json({ method: 'DELETE', path: path(name), query: { previous }, signal })
    },
  }
}

/** What names records, of what may say more: a change, or a conflict. */
function scopeQuery({ object, list, collection, kind, id }: RecordScope): Readonly<Record<string, string | undefined>> {
  return { object, list, collection, kind, id }
}

function toEntry({ time, change, ...entry }: WireEntry): LogEntry {
  const read = { ...entry, time: new Date(time) }
  return change === undefined ? read : { ...read, change: toChange(change) }
}

async function* toChanges(lines: AsyncIterable<unknown>): AsyncGenerator<RecordChange, void, void> {
  for await (const line of lines) yield toChange(line as WireChange)
}

function toChange({ before, after, ...change }: WireChange): RecordChange {
  return { ...change, before: toStored(before), after: toStored(after) }
}

function toStored(stored: WireValue | undefined): StoredValue | undefined {
  if (stored === undefined) return undefined
  return { value: 'bytes' in stored ? decodeBase64(stored.bytes) : stored.value, version: stored.version }
}
