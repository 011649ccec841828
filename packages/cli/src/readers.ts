import type { Client, ReadableClient, RecordScope } from '@atolldb/client'
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
  const state = at === undefined ? client : await client.at(at)
  const kind = await resolveKind(state, name, list)
  return { kind, records: kind === 'lists' ? state.list<unknown>(name) : state.object<unknown>(name) }
}

/** What a command asks about: a collection of either kind, or one record of it. */
export function scopeOf(name: string | undefined, id: string | undefined, list: boolean | undefined): RecordScope {
  if (name === undefined) return {}
  return { ...(list === true ? { list: name } : { collection: name }), ...(id === undefined ? {} : { id }) }
}
