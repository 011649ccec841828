import { decodeBase64, encodeJson } from './content.ts'
import type { Answer, HttpDoor } from './door.ts'
import { ClientError } from './errors.ts'
import type { CallOptions, JsonValue, Versioned, Written } from './wire.ts'

/** A range of ids, in the order of their UTF-8 bytes. It reads one consistent state: that of the moment it was asked for. */
export interface RangeOptions extends CallOptions {
  readonly gt?: string
  readonly gte?: string
  readonly lt?: string
  readonly lte?: string
  readonly reverse?: boolean
  readonly limit?: number
}

export type WriteOptions = CallOptions

export interface ConditionalOptions extends WriteOptions {
  /** Only if the record's version is this one. @throws CONFLICT */
  readonly ifVersion?: string
}

/** Reading records, as they are or as they were; names and meanings are the library's. */
export interface ReadableClient<T> {
  readonly name: string
  get(id: string, options?: CallOptions): Promise<T | undefined>
  getRecord(id: string, options?: CallOptions): Promise<Versioned<T> | undefined>
  getMany(ids: readonly string[], options?: CallOptions): Promise<(T | undefined)[]>
  has(id: string, options?: CallOptions): Promise<boolean>
  count(options?: CallOptions): Promise<number>
  entries(range?: RangeOptions): AsyncIterable<[id: string, value: T]>
  records(range?: RangeOptions): AsyncIterable<Versioned<T>>
  keys(range?: RangeOptions): AsyncIterable<string>
}

/** What Objects and Lists share. */
export interface CollectionClient<T> extends ReadableClient<T> {
  delete(id: string, options?: ConditionalOptions): Promise<boolean>
}

export interface ObjectClient<T = JsonValue> extends CollectionClient<T> {
  readonly kind: 'objects'
  put(id: string, value: T, options?: ConditionalOptions): Promise<Written>
  /** @throws EXISTS */
  create(id: string, value: T, options?: WriteOptions): Promise<Written>
  /** @throws MISSING, CONFLICT */
  update(id: string, value: T, options?: ConditionalOptions): Promise<Written>
  /** Merges as RFC 7396 says. @throws MISSING, CONFLICT */
  patch(id: string, patch: unknown, options?: ConditionalOptions): Promise<Written>
}

export interface ListClient<T = JsonValue> extends CollectionClient<T> {
  readonly kind: 'lists'
  /** The new record's id. */
  insert(value: T, options?: WriteOptions): Promise<string>
  /** All or nothing, in order. */
  insertMany(values: readonly T[], options?: WriteOptions): Promise<string[]>
  /** Puts a record back under the id that it had. @throws EXISTS when it is there with another value */
  restore(id: string, value: T, options?: WriteOptions): Promise<void>
}

/** How many records `getMany` asks for at once. */
const GET_MANY_AT_ONCE = 16

/** @param at of the state of that commit */
export function createReadable<T>(
  door: HttpDoor,
  kind: 'objects' | 'lists',
  name: string,
  at?: string,
): ReadableClient<T> {
  const path = `/v1/${kind}/${encodeName(name)}`

  const getRecord = async (id: string, { signal }: CallOptions = {}): Promise<Versioned<T> | undefined> => {
    let response: Answer
    try {
      response = await door.send({ method: 'GET', path, query: { id, at }, signal })
    } catch (error) {
      if (error instanceof ClientError && error.code === 'MISSING' && error.data['what'] === 'record') return undefined
      throw error
    }
    const isBytes = response.headers.get('content-type') === 'application/octet-stream'
    const value: unknown = isBytes ? new Uint8Array(await response.arrayBuffer()) : await response.json()
    return { id, value: value as T, version: (response.headers.get('etag') ?? '').replaceAll('"', '') }
  }
  const get = async (id: string, options?: CallOptions): Promise<T | undefined> => (await getRecord(id, options))?.value

  async function* records({ signal, reverse, limit, ...bounds }: RangeOptions = {}): AsyncGenerator<Versioned<T>> {
    const query = { ...bounds, at, reverse: reverse === true ? 'true' : undefined, limit: limit?.toString() }
    for await (const line of door.lines({ method: 'GET', path, query, signal })) {
      const record = line as { id: string; value: T; version: string } | { id: string; bytes: string; version: string }
      const value = 'bytes' in record ? (decodeBase64(record.bytes) as T) : record.value
      yield { id: record.id, value, version: record.version }
    }
  }

  return {
    name,
    get,
    getRecord,
    records,
    has: async (id, options) => (await getRecord(id, options)) !== undefined,
    async *keys(range) {
      for await (const { id } of records(range)) yield id
    },
    async getMany(ids, options) {
      const values: (T | undefined)[] = []
      for (let i = 0; i < ids.length; i += GET_MANY_AT_ONCE)
        values.push(...(await Promise.all(ids.slice(i, i + GET_MANY_AT_ONCE).map(id => get(id, options)))))
      return values
    },
    async count({ signal } = {}) {
      const call = { method: 'GET', path: `/v1/count/${kind}/${encodeName(name)}`, query: { at }, signal } as const
      return (await door.json<{ count: number }>(call)).count
    },
    async *entries(range) {
      for await (const { id, value } of records(range)) yield [id, value]
    },
  }
}

function createCollection<T>(door: HttpDoor, kind: 'objects' | 'lists', name: string): CollectionClient<T> {
  const path = `/v1/${kind}/${encodeName(name)}`
  return {
    ...createReadable<T>(door, kind, name),
    async delete(id, { ifVersion, signal } = {}) {
      const headers = ifVersion === undefined ? {} : { 'if-match': `"${ifVersion}"` }
      return (await door.json<{ deleted: boolean }>({ method: 'DELETE', path, query: { id }, headers, signal })).deleted
    },
  }
}

export function createObjectClient<T>(door: HttpDoor, name: string): ObjectClient<T> {
  const path = `/v1/objects/${encodeName(name)}`
  const write = (
    method: 'PUT' | 'PATCH',
    id: string,
    value: unknown,
    condition: Readonly<Record<string, string>>,
    { signal }: CallOptions = {},
  ): Promise<Written> => {
    const isBytes = method === 'PUT' && value instanceof Uint8Array
    return door.json<Written>({
      method,
      path,
      query: { id },
      headers: { 'content-type': isBytes ? 'application/octet-stream' : 'application/json', ...condition },
      body: isBytes ? value : encodeJson(value),
      signal,
    })
  }
  const ifMatch = (version: string | undefined): Record<string, string> =>
    version === undefined ? {} : { 'if-match': `"${version}"` }

  return {
    ...createCollection<T>(door, 'objects', name),
    kind: 'objects',
    put: async (id, value, options) => write('PUT', id, value, ifMatch(options?.ifVersion), options),
    create: async (id, value, options) => write('PUT', id, value, { 'if-none-match': '*' }, options),
    update: async (id, value, options) =>
      write('PUT', id, value, { 'if-match': '*', ...ifMatch(options?.ifVersion) }, options),
    patch: async (id, patch, options) => write('PATCH', id, patch, ifMatch(options?.ifVersion), options),
  }
}

export function createListClient<T>(door: HttpDoor, name: string): ListClient<T> {
  const headers = { 'content-type': 'application/json' }
  return {
    ...createCollection<T>(door, 'lists', name),
    kind: 'lists',
    async insert(value, { signal } = {}) {
      const path = `/v1/lists/${encodeName(name)}`
      return (await door.json<{ id: string }>({ method: 'POST', path, headers, body: encodeJson(value), signal })).id
    },
    async insertMany(values, { signal } = {}) {
      const body = encodeJson(values.map(value => ({ op: 'insert', list: name, value })))
      return (await door.json<{ ids: string[] }>({ method: 'POST', path: '/v1/batch', headers, body, signal })).ids
    },
    async restore(id, value, { signal } = {}) {
      const body = encodeJson([{ op: 'restore', list: name, id, value }])
      await door.json({ method: 'POST', path: '/v1/batch', headers, body, signal })
    },
  }
}

/** A name that is none must still reach the node as one segment of the path, to be refused there. */
export function encodeName(name: string): string {
  try {
    const encoded = encodeURIComponent(name)
    if (encoded !== '' && encoded !== '.' && encoded !== '..') return encoded
  } catch {
    // A lone surrogate.
  }
  const reason = `${JSON.stringify(name)} is not one`
  throw new ClientError('INVALID', `collection name: ${reason}`, { data: { what: 'collection name', reason } })
}
