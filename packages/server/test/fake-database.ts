import { createHash } from 'node:crypto'
import {
  AtollError,
  compareUtf8,
  parseCollectionName,
  parseListRecordId,
  parseRecordId,
  type CommitId,
  type NodeId,
  type ObjectId,
} from '@atolldb/core'
import type { Database, ListCollection, ObjectCollection, RangeOptions, Status, Versioned } from 'atolldb'

/** A database in a few maps, for what is in front of it: it follows the library's contract as far as the routes can see. */
export interface FakeDatabase extends Database {
  /** The next call of any record operation fails with this. */
  failWith(error: Error): void
  /** A range fails after so many records. */
  breakRangeAfter(records: number, error: Error): void
  readonly calls: string[]
}

type Records = Map<string, unknown>

export function fakeDatabase(): FakeDatabase {
  const collections = new Map<string, Records>()
  const calls: string[] = []
  let failure: Error | undefined
  let broken: { after: number; error: Error } | undefined
  let inserted = 0

  const fail = (): void => {
    const error = failure
    failure = undefined
    if (error !== undefined) throw error
  }
  const recordsOf = (kind: string, name: string): Records => {
    const key = `${kind}/${parseCollectionName(name)}`
    const records = collections.get(key) ?? new Map<string, unknown>()
    collections.set(key, records)
    return records
  }
  const check = (records: Records, id: string, ifVersion: string | undefined): void => {
    const actual = records.has(id) ? versionOf(records.get(id)) : undefined
    if (ifVersion !== undefined && ifVersion !== actual)
      throw new AtollError('CONFLICT', 'another version', { what: id, expected: ifVersion })
  }

  const readable = (kind: 'objects' | 'lists', name: string) => {
    const records = recordsOf(kind, name)
    const parseId = (id: string): string => (kind === 'lists' ? parseListRecordId(id) : parseRecordId(id))
    const getRecord = async (id: string): Promise<Versioned<unknown> | undefined> => {
      fail()
      const value = records.get(parseId(id))
      return value === undefined ? undefined : { id, value, version: versionOf(value) }
    }
    async function* range({ gt, gte, lt, lte, reverse, limit = Infinity }: RangeOptions = {}) {
      fail()
      const ids = [...records.keys()].sort(compareUtf8)
      if (reverse === true) ids.reverse()
      let given = 0
      for (const id of ids) {
        if (gt !== undefined && compareUtf8(id, gt) <= 0) continue
        if (gte !== undefined && compareUtf8(id, gte) < 0) continue
        if (lt !== undefined && compareUtf8(id, lt) >= 0) continue
        if (lte !== undefined && compareUtf8(id, lte) > 0) continue
        if (given === limit) return
        if (broken?.after === given) throw broken.error
        given += 1
        yield { id, value: records.get(id), version: versionOf(records.get(id)) }
      }
    }
    return {
      name,
      getRecord,
      get: async (id: string) => (await getRecord(id))?.value,
      getMany: async (ids: readonly string[]) => Promise.all(ids.map(async id => (await getRecord(id))?.value)),
      has: async (id: string) => (await getRecord(id)) !== undefined,
      count: async () => records.size,
      async *keys(options?: RangeOptions): AsyncGenerator<string> {
        for await (const { id } of range(options)) yield id
      },
      records: range,
      async *entries(options?: RangeOptions): AsyncGenerator<[string, unknown]> {
        for await (const { id, value } of range(options)) yield [id, value]
      },
      subscribe: () => () => undefined,
      async delete(id: string, { ifVersion }: { ifVersion?: string } = {}) {
        fail()
        check(records, parseId(id), ifVersion)
        return records.delete(id)
      },
    }
  }

  const object = (name: string) => {
    const records = recordsOf('objects', name)
    const store = (id: string, value: unknown) => {
      records.set(id, value)
      return { id, version: versionOf(value) }
    }
    const mustExist = (id: string): void => {
      if (!records.has(parseRecordId(id))) throw new AtollError('MISSING', `no record ${id}`, { what: 'record', id })
    }
    const collection = {
      ...readable('objects', name),
      kind: 'objects' as const,
      async put(id: string, value: unknown, { ifVersion }: { ifVersion?: string } = {}) {
        fail()
        check(records, parseRecordId(id), ifVersion)
        return store(id, value)
      },
      async create(id: string, value: unknown) {
        fail()
        if (records.has(parseRecordId(id))) throw new AtollError('EXISTS', `${id} exists`, { collection: name, id })
        return store(id, value)
      },
      async update(id: string, value: unknown, { ifVersion }: { ifVersion?: string } = {}) {
        fail()
        mustExist(id)
        check(records, id, ifVersion)
        return store(id, value)
      },
      async patch(id: string, patch: unknown, { ifVersion }: { ifVersion?: string } = {}) {
        fail()
        mustExist(id)
        check(records, id, ifVersion)
        return store(id, { ...(records.get(id) as object), ...(patch as object) })
      },
    }
    return collection as unknown as ObjectCollection<never>
  }

  const list = (name: string) => {
    const records = recordsOf('lists', name)
    const insert = (value: unknown): string => {
      fail()
      inserted += 1
      const id = `01j${String(inserted).padStart(23, '0')}`
      records.set(id, value)
      return id
    }
    const collection = {
      ...readable('lists', name),
      kind: 'lists' as const,
      insert: async (value: unknown) => insert(value),
      insertMany: async (values: readonly unknown[]) => values.map(insert),
    }
    return collection as unknown as ListCollection<never>
  }

  const status = (): Status => ({
    schema: 'atoll/status/v1',
    node: 'node' as NodeId,
    name: 'fake',
    cluster: undefined,
    main: undefined,
    heads: [],
    collections: [],
    pending: 0,
    held: 0,
    conflicts: 0,
    peers: [],
    addresses: [],
    state: 'alone',
    reason: undefined,
    next: undefined,
  })

  const db = {
    node: 'node' as NodeId,
    name: 'fake',
    cluster: undefined,
    calls,
    failWith: (error: Error) => (failure = error),
    breakRangeAfter: (after: number, error: Error) => (broken = { after, error }),
    object,
    list,
    collections: async () => [],
    async drop({ kind, name }: { kind: 'objects' | 'lists'; name: string }) {
      fail()
      const records = recordsOf(kind, name)
      const { size } = records
      records.clear()
      return { records: size }
    },
    async batch<R>(work: (tx: unknown) => Promise<R> | R): Promise<R> {
      const before = new Map([...collections].map(([key, records]) => [key, new Map(records)]))
      try {
        // The collections' methods settle at once here, so a transaction's synchronous ones can be the same.
        return await work({ object, list: (name: string) => ({ ...list(name), insert: insertSync(list, name) }) })
      } catch (error) {
        for (const [key, records] of collections) {
          records.clear()
          for (const [id, value] of before.get(key) ?? []) records.set(id, value)
        }
        throw error
      }
    },
    async compact({ onProgress }: { onProgress?: (progress: { done: number; total: number }) => void } = {}) {
      calls.push('compact')
      fail()
      onProgress?.({ done: 1, total: 2 })
      // Longer than the door waits between two lines.
      await new Promise(resolve => setTimeout(resolve, 150))
      fail()
      return { packsBefore: 2, packsAfter: 1, objects: 2, bytesBefore: 20, bytesAfter: 10 }
    },
    flush: async () => ({ commit: 'c'.repeat(40) as CommitId }),
    async *log({ limit = 3 }: { limit?: number } = {}) {
      for (let i = 0; i < Math.min(limit, 3); i++)
        yield {
          commit: String(i).repeat(40) as CommitId,
          type: 'data',
          parents: [],
          author: { name: 'fake' },
          time: new Date(0),
          subject: `farms +${i}`,
        }
    },
    status: async () => status(),
    peers: () => [],
    async synced(options: { peers?: number; timeout?: number }) {
      calls.push(`synced ${options.peers} ${options.timeout}`)
      throw new AtollError('TIMEOUT', 'not in sync', { what: 'sync', timeoutMs: options.timeout ?? 0 })
    },
    offline: async () => void calls.push('offline'),
    online: async () => void calls.push('online'),
    close: async () => void calls.push('close'),
  }
  return db as unknown as FakeDatabase

  function insertSync(make: (name: string) => ListCollection<never>, name: string) {
    return (value: unknown): string => {
      const records = recordsOf('lists', make(name).name)
      inserted += 1
      const id = `01j${String(inserted).padStart(23, '0')}`
      records.set(id, value)
      return id
    }
  }
}

export function versionOf(value: unknown): ObjectId {
  const content = value instanceof Uint8Array ? value : JSON.stringify(value)
  return createHash('sha1').update(content).digest('hex') as ObjectId
}
