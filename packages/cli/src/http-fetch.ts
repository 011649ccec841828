import { request, type IncomingMessage } from 'node:http'
import type { Answer, Fetch } from '@atolldb/client'

/**
 * What the client needs of `fetch`, over `node:http`: the platform's own compiles a parser first, which takes more than all
 * else that a short command does.
 */
export const httpFetch: Fetch = (url, { method, headers, body, signal }) =>
  new Promise((resolve, reject) => {
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const sent = request(url, {
      method,
      headers: { ...headers, ...length },
      ...(signal === undefined ? {} : { signal }),
    })
    sent.once('response', message => resolve(toAnswer(message)))
    sent.once('error', reject)
    sent.end(body)
  })

function toAnswer(message: IncomingMessage): Answer {
  const status = message.statusCode ?? 0
  const text = async (): Promise<string> => new TextDecoder().decode(await collect(message))
  return {
    ok: status >= 200 && status < 300,
    status,
    headers: { get: name => String(message.headers[name] ?? '') },
    text,
    json: async () => JSON.parse(await text()) as unknown,
    arrayBuffer: async () => new Uint8Array(await collect(message)).buffer,
    body: { getReader: () => readerOf(message) },
  }
}

async function collect(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk as Buffer)
  return Buffer.concat(chunks)
}

function readerOf(message: IncomingMessage): ReturnType<NonNullable<Answer['body']>['getReader']> {
  const chunks = message[Symbol.asyncIterator]() as AsyncIterator<Uint8Array, undefined>
  return {
    async read() {
      const { done, value } = await chunks.next()
      return { done: done === true, value }
    },
    async cancel() {
      message.destroy()
    },
  }
}
