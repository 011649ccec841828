import type { Client, ReadableClient } from '@atolldb/client'
import { resolveKind, type Kind } from './kinds.ts'

export interface ReaderFlags {
  readonly list?: boolean
  /** The name of a commit: as it was then. */
  readonly at?: string
}

/** A collection as it is, or as it was. */
export async function readerOf(
  client: Client,
  name: string,
  { list, at }: ReaderFlags,
): Promise<{ readonly kind: Kind; readonly records: ReadableClient<unknown> }> {
  const kind = await resolveKind(client, name, list)
  const state = at === undefined ? client : await client.at(at)
  return { kind, records: kind === 'lists' ? state.list<unknown>(name) : state.object<unknown>(name) }
}

/** What a command asks about: a collection, or one record of it. */
export async function scopeOf(
  client: Client,
  name: string | undefined,
  id: string | undefined,
  list: boolean | undefined,
): Promise<{ object?: string; list?: string; id?: string }> {
  if (name === undefined) return {}
  const kind = await resolveKind(client, name, list)
  return { ...(kind === 'lists' ? { list: name } : { object: name }), ...(id === undefined ? {} : { id }) }
}
