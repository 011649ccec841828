import { errorToProblem } from './problems.ts'

/** How many bytes of lines are gathered before they are handed on. */
const CHUNK_BYTES = 16 * 1024
const encoder = new TextEncoder()

export function jsonResponse(value: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(JSON.stringify(value), { status, headers: { 'content-type': 'application/json', ...headers } })
}

export function wantsNdjson(request: Request): boolean {
  return /\bapplication\/x-ndjson\b/i.test(request.headers.get('accept') ?? '')
}

/**
 * One JSON text a line, at the reader's pace. What fails before the first line is an ordinary problem response; what fails
 * later is told in a last line `{"error":<problem>}`, since the status has gone out by then. No other line has `error` alone.
 *
 * @param chunkBytes so many are gathered; 1 for lines that somebody waits for
 */
export async function ndjsonResponse(values: AsyncIterable<unknown>, chunkBytes = CHUNK_BYTES): Promise<Response> {
  const iterator = values[Symbol.asyncIterator]()
  let next: IteratorResult<unknown> | undefined = await iterator.next()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      let chunk = ''
      try {
        while (chunk.length < chunkBytes) {
          next ??= await iterator.next()
          if (next.done === true) break
          chunk += `${JSON.stringify(next.value)}\n`
          next = undefined
        }
      } catch (error) {
        chunk += `${JSON.stringify({ error: errorToProblem(error) })}\n`
        next = { done: true, value: undefined }
      }
      if (chunk !== '') controller.enqueue(encoder.encode(chunk))
      if (next?.done === true) controller.close()
    },
    async cancel() {
      await iterator.return?.()
    },
  })
  return new Response(body, { headers: { 'content-type': 'application/x-ndjson' } })
}
