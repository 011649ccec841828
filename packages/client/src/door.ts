import { ClientError, problemToError } from './errors.ts'

/** One request to a node. */
export interface Call {
  readonly method: 'GET' | 'PUT' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly query?: Readonly<Record<string, string | undefined>>
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string | Uint8Array
  readonly signal?: AbortSignal | undefined
}

/** As the platform's `fetch` is called here. */
export type Fetch = (url: string, request: FetchRequest) => Answer | Promise<Answer>

export interface FetchRequest {
  readonly method: Call['method']
  readonly headers: Record<string, string>
  readonly body?: string
  readonly signal?: AbortSignal
}

/** What is used of a `Response`. */
export interface Answer {
  readonly ok: boolean
  readonly status: number
  readonly headers: { get(name: string): string | null }
  text(): Promise<string>
  json(): Promise<unknown>
  arrayBuffer(): Promise<ArrayBuffer>
  readonly body: { getReader(): AnswerReader } | null
}

interface AnswerReader {
  read(): Promise<{ readonly done: boolean; readonly value?: Uint8Array | undefined }>
  cancel(): Promise<void>
}

/** Sends requests with the token, and turns every failure into a {@link ClientError}. */
export interface HttpDoor {
  /** The response, whatever its status under 300. */
  send(call: Call): Promise<Answer>
  json<R>(call: Call): Promise<R>
  /** The lines of an NDJSON answer, parsed. Ending the loop ends the request. */
  lines(call: Call): AsyncIterable<unknown>
}

export function createHttpDoor(url: string, token: string, fetch: Fetch): HttpDoor {
  const send = async (call: Call): Promise<Answer> => {
    const target = address(url, call)
    const request: FetchRequest = {
      method: call.method,
      headers: { authorization: `Bearer ${token}`, ...call.headers },
      // Bytes are a body like any text; the types of the platforms' `fetch` do not agree on how to say so.
      ...(call.body === undefined ? {} : { body: call.body as string }),
      ...(call.signal === undefined ? {} : { signal: call.signal }),
    }
    let response: Answer
    try {
      response = await fetch(target, request)
    } catch (error) {
      throw unanswered(error, url, call.signal)
    }
    if (response.ok) return response
    throw problemToError(await parsedBody(response), response.status)
  }
  return {
    send,
    async json<R>(call: Call): Promise<R> {
      const response = await send({ ...call, headers: { accept: 'application/json', ...call.headers } })
      try {
        return (await response.json()) as R
      } catch (error) {
        throw unanswered(error, url, call.signal)
      }
    },
    async *lines(call: Call): AsyncGenerator<unknown, void, void> {
      const response = await send({ ...call, headers: { accept: 'application/x-ndjson', ...call.headers } })
      try {
        for await (const line of textLines(response)) {
          const value: unknown = JSON.parse(line)
          if (isStreamError(value)) throw problemToError(value.error, response.status)
          yield value
        }
      } catch (error) {
        throw error instanceof ClientError ? error : unanswered(error, url, call.signal)
      }
    },
  }
}

/** @throws INVALID when a part is not well-formed text */
function address(url: string, call: Call): string {
  try {
    const query = Object.entries(call.query ?? {})
      .flatMap(([name, value]) => (value === undefined ? [] : [`${name}=${encodeURIComponent(value)}`]))
      .join('&')
    return `${url.replace(/\/+$/, '')}${call.path}${query === '' ? '' : `?${query}`}`
  } catch (cause) {
    const reason = 'has a lone surrogate'
    throw new ClientError('INVALID', `id: ${reason}`, { data: { what: 'id', reason }, cause })
  }
}

function unanswered(error: unknown, url: string, signal: AbortSignal | undefined): ClientError {
  if (signal?.aborted === true)
    return new ClientError('ABORTED', 'the call was aborted', { data: { what: 'call' }, cause: error })
  if (error instanceof SyntaxError)
    return new ClientError('PROTOCOL', `the answer from ${url} is not JSON`, {
      data: { reason: error.message },
      cause: error,
    })
  const inner = error instanceof Error && error.cause instanceof Error ? error.cause : error
  const reason = inner instanceof Error ? inner.message : String(inner)
  return new ClientError('UNAVAILABLE', `no answer from ${url}: ${reason}`, {
    data: { what: url, reason },
    cause: error,
  })
}

async function parsedBody(response: Answer): Promise<unknown> {
  try {
    return JSON.parse(await response.text())
  } catch {
    return undefined
  }
}

function isStreamError(value: unknown): value is { error: unknown } {
  return typeof value === 'object' && value !== null && 'error' in value && Object.keys(value).length === 1
}

async function* textLines(response: Answer): AsyncGenerator<string, void, void> {
  if (response.body === null) return
  const reader = response.body.getReader()
  const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
  let rest = ''
  try {
    for (;;) {
      const { done, value } = await reader.read()
      const lines = (rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }))).split('\n')
      rest = lines.pop() ?? ''
      yield* lines
      if (done) break
    }
    if (rest !== '') yield rest
  } finally {
    await reader.cancel().catch(() => undefined)
  }
}
