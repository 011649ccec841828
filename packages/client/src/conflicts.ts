import { decodeBase64, encodeBase64, encodeJson } from './content.ts'
import type { HttpDoor } from './door.ts'
import { ClientError } from './errors.ts'
import type { CallOptions, Conflict, ConflictOutcome, ConflictResolved, ConflictTarget } from './wire.ts'

export interface ConflictsOptions extends CallOptions {
  readonly collection?: string
  readonly kind?: 'objects' | 'lists'
  /** Also those that were merged without loss. */
  readonly all?: boolean
  readonly limit?: number
}

/** The records in conflict of the moment; names and meanings are the library's. */
export interface ConflictsClient extends AsyncIterable<Conflict> {
  get(target: ConflictTarget, options?: CallOptions): Promise<Conflict | undefined>
  /** @throws MISSING, CONFLICT, INVALID, UNSUPPORTED, TOO_LARGE */
  resolve(target: ConflictTarget, outcome: ConflictOutcome, options?: CallOptions): Promise<ConflictResolved>
}

type Content = { readonly value: unknown } | { readonly bytes: string }

/** A conflict as it travels. */
type ConflictShape = Omit<Conflict, 'base' | 'versions' | 'chosen'> & {
  readonly base: Content | null
  readonly chosen: Content | null
  readonly versions: readonly (Omit<Conflict['versions'][number], 'time' | 'value'> & { time: string } & Content)[]
}

export function createConflictsClient(door: HttpDoor, options: ConflictsOptions = {}): ConflictsClient {
  return {
    async *[Symbol.asyncIterator]() {
      const { collection, kind, all, limit, signal } = options
      const query = { collection, kind, all: all === true ? 'true' : undefined, limit: limit?.toString() }
      for await (const line of door.lines({ method: 'GET', path: '/v1/conflicts', query, signal }))
        yield toConflict(line as ConflictShape)
    },
    async get(target, { signal } = {}) {
      try {
        return toConflict(await door.json({ ...addressOf(target), method: 'GET', signal }))
      } catch (error) {
        if (error instanceof ClientError && error.code === 'MISSING' && error.data['what'] === 'conflict')
          return undefined
        throw error
      }
    },
    async resolve(target, outcome, { signal } = {}) {
      const headers = {
        'content-type': 'application/json',
        ...(target.version === undefined ? {} : { 'if-match': `"${target.version}"` }),
      }
      const body = encodeJson(withBase64(outcome))
      const call = { ...addressOf(target), method: 'POST', headers, body, signal } as const
      const { id, version } = await door.json<{ id: string; version: string | null }>(call)
      return { id, version: version ?? undefined }
    },
  }
}

function addressOf({ kind = 'objects', collection, id }: ConflictTarget) {
  return { path: `/v1/conflicts/${kind}/${encodeURIComponent(collection)}`, query: { id } }
}

function withBase64(outcome: ConflictOutcome): unknown {
  return 'value' in outcome && outcome.value instanceof Uint8Array ? { bytes: encodeBase64(outcome.value) } : outcome
}

function toConflict({ base, versions, chosen, ...conflict }: ConflictShape): Conflict {
  return {
    ...conflict,
    base: toValue(base),
    versions: versions.map(shape => ({
      commit: shape.commit,
      author: shape.author,
      time: new Date(shape.time),
      op: shape.op,
      value: shape.op === 'delete' ? undefined : toValue(shape),
      version: shape.version,
    })),
    chosen: toValue(chosen),
  }
}

function toValue(content: Content | null): unknown {
  if (content === null) return undefined
  return 'bytes' in content ? decodeBase64(content.bytes) : content.value
}
