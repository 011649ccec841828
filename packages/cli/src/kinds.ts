import type { Client, CollectionRef } from '@atolldb/client'
import { AtollError } from '@atolldb/core/errors'

export type Kind = CollectionRef['kind']

/** What there is, or was. */
interface CollectionsState {
  collections(): Promise<readonly CollectionRef[]>
}

/** Which collection a name means: the Object, unless only the List is there, or the List was asked for. */
export async function resolveKind(state: CollectionsState, name: string, list: boolean | undefined): Promise<Kind> {
  if (list === true) return 'lists'
  const kinds = await kindsOf(state, name)
  return kinds.has('lists') && !kinds.has('objects') ? 'lists' : 'objects'
}

export function missingCollection(name: string): AtollError<'MISSING'> {
  return new AtollError('MISSING', `there is no collection ${name}`, { what: 'collection', id: name })
}

/** Is there one of that name, of either kind or of the List's? */
export async function hasCollection(client: Client, name: string, list: boolean | undefined): Promise<boolean> {
  const kinds = await kindsOf(client, name)
  return list === true ? kinds.has('lists') : kinds.size > 0
}

/** Refuses to write to a name that is in use for the other kind only: that is nearly always a slip. @throws UNSUPPORTED */
export async function checkKind(client: Client, name: string, wanted: Kind): Promise<void> {
  const kinds = await kindsOf(client, name)
  if (kinds.size === 0 || kinds.has(wanted)) return
  const reason =
    wanted === 'objects'
      ? `${name} is a List: its records are immutable; use insert and del`
      : `${name} is an Object: use put`
  throw new AtollError('UNSUPPORTED', reason, { what: `writing to ${name} as ${wanted}` })
}

async function kindsOf(state: CollectionsState, name: string): Promise<ReadonlySet<Kind>> {
  const collections = await state.collections()
  return new Set(collections.filter(collection => collection.name === name).map(({ kind }) => kind))
}
