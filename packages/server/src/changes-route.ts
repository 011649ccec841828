import type { Database, FeedChange, RecordScope } from 'atolldb'
import type { Hono } from 'hono'
import { readScope, scopeOptions } from './history-routes.ts'
import { errorToProblem } from './problems.ts'
import { readCount, readQuery } from './requests.ts'
import { jsonResponse } from './responses.ts'
import { feedChangeShape } from './history-shapes.ts'

const HEARTBEAT_MS = 20_000
const DEFAULT_POLL_MS = 20_000
/** No proxy or platform is to give up on a poll first. */
const MAX_POLL_MS = 60_000
const MAX_POLL_CHANGES = 1_000
const encoder = new TextEncoder()

/**
 * `/v1/changes?since=<cursor>&object=|list=|collection=&kind=&id=`: the feed.
 *
 * With `Accept: text/event-stream` as server-sent events (`id` is the cursor, `data` the change; `Last-Event-ID` goes before
 * `since`; an event `error` with a problem at the end of a feed that broke). An `id` without data, which browsers take as the
 * place to go on from and show to nobody, comes first and every 20 s, with the place that was reached though nothing of the scope
 * was told; a comment where there is none to tell. Else by long poll:
 * `{ changes, cursor }` as soon as there is one, or with none after `wait` milliseconds (default 20,000, 0 for at once);
 * the next poll goes on `since` that cursor. A batch is told whole, even beyond `limit`.
 */
export function routeChanges(app: Hono, db: Database): void {
  app.get('/v1/changes', async c => {
    const request = c.req.raw
    const query = readQuery(request.url, ['since', 'wait', 'limit', ...scopeOptions])
    const since = request.headers.get('last-event-id') ?? query.get('since') ?? db.cursor()
    const scope = readScope(query)
    if (/\btext\/event-stream\b/i.test(request.headers.get('accept') ?? ''))
      return eventStream(db, { since, scope, signal: request.signal })
    const wait = query.get('wait') === '0' ? 0 : Math.min(readCount(query, 'wait') ?? DEFAULT_POLL_MS, MAX_POLL_MS)
    const limit = Math.min(readCount(query, 'limit') ?? MAX_POLL_CHANGES, MAX_POLL_CHANGES)
    return jsonResponse(await poll(db, { since, scope, wait, limit, signal: request.signal }))
  })
}

interface Following {
  readonly since: string
  readonly scope: RecordScope
  readonly signal: AbortSignal
}

async function poll(
  db: Database,
  { since, scope, wait, limit, signal }: Following & { readonly wait: number; readonly limit: number },
): Promise<{ changes: unknown[]; cursor: string }> {
  const changes: unknown[] = []
  let cursor = since
  // Where nothing of the scope is told, the next poll need not look at the rest again.
  const onReached = (reached: string): void => {
    cursor = reached
  }
  /** Within a batch the place does not move on: whoever came back to it would be told the same again. */
  const movesOn = (change: FeedChange): boolean => {
    const before = cursor
    changes.push(feedChangeShape(change))
    cursor = change.cursor
    return cursor !== before
  }
  for await (const change of db.changes({ ...scope, since, live: false, signal, onReached }))
    if (movesOn(change) && changes.length >= limit) break
  if (changes.length > 0 || wait === 0) return { changes, cursor }
  const over = AbortSignal.timeout(wait)
  const coming = { ...scope, since: cursor, signal: AbortSignal.any([signal, over]), onReached }
  try {
    for await (const change of db.changes(coming)) if (movesOn(change)) break
  } catch (error) {
    if (!over.aborted) throw error
  }
  return { changes, cursor }
}

function eventStream(db: Database, { since, scope, signal }: Following): Response {
  const gone = new AbortController()
  /** What the reader is to know of where it is; undefined once it was told. */
  let reached: string | undefined = since
  const onReached = (cursor: string): void => {
    reached = cursor
  }
  // Called here, so that a bad cursor is an ordinary problem.
  const feed = db.changes({ ...scope, since, signal: AbortSignal.any([signal, gone.signal]), onReached })
  const changes = feed[Symbol.asyncIterator]()
  let heartbeat: NodeJS.Timeout | undefined
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const beat = (): void => {
        controller.enqueue(encoder.encode(reached === undefined ? ':\n\n' : `id: ${reached}\n\n`))
        reached = undefined
      }
      // Says at once that the feed is there, and where a reader goes on that breaks off before it is told anything.
      beat()
      heartbeat = setInterval(beat, HEARTBEAT_MS)
      heartbeat.unref()
    },
    async pull(controller) {
      try {
        const next = await changes.next()
        if (next.done === true) return
        const data = JSON.stringify(feedChangeShape(next.value))
        // The place before this change is not to be told after it.
        reached = undefined
        controller.enqueue(encoder.encode(`id: ${next.value.cursor}\nevent: change\ndata: ${data}\n\n`))
      } catch (error) {
        clearInterval(heartbeat)
        if (gone.signal.aborted) return
        controller.enqueue(encoder.encode(`event: error\ndata: ${JSON.stringify(errorToProblem(error))}\n\n`))
        controller.close()
      }
    },
    cancel() {
      clearInterval(heartbeat)
      gone.abort()
    },
  })
  return new Response(body, { headers: { 'content-type': 'text/event-stream' } })
}
