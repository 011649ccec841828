import * as lp from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { AtollError, type ByteStream, FETCH_IDLE_TIMEOUT_MS, MAX_FRAME_BYTES } from '@atolldb/core'

/** Length-prefixed frames over a byte stream, both ways. */
export interface FrameStream {
  /** The next frame. @throws PROTOCOL when the other side ended or sent too much, TIMEOUT when nothing came in time */
  read(): Promise<Uint8Array>
  /** Sends frames and ends our side; resolves when all were handed over. */
  send(frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>
  /** Ends both sides at once. */
  abort(reason: Error): void
}

export function frameStream(stream: ByteStream, idleMs: number = FETCH_IDLE_TIMEOUT_MS): FrameStream {
  const incoming = pipe(stream.source, source => lp.decode(source, { maxDataLength: MAX_FRAME_BYTES }))
  const iterator = incoming[Symbol.asyncIterator]()
  return {
    async read() {
      const next = await withIdleLimit(stream, idleMs, () => iterator.next())
      if (next.done === true) throw protocolError('the stream ended early')
      return next.value.subarray()
    },
    async send(frames) {
      await pipe(
        frames,
        source => lp.encode(source),
        source => flattened(source),
        source => stream.sink(source),
      )
    },
    abort: reason => stream.abort(reason),
  }
}

async function* flattened(source: AsyncIterable<{ subarray(): Uint8Array } | Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) yield chunk.subarray()
}

async function withIdleLimit<Result>(stream: ByteStream, idleMs: number, read: () => Promise<Result>): Promise<Result> {
  const timer = setTimeout(() => {
    stream.abort(new AtollError('TIMEOUT', `nothing came for ${idleMs} ms`, { what: 'stream', timeoutMs: idleMs }))
  }, idleMs)
  try {
    return await read()
  } catch (error) {
    if (error instanceof AtollError) throw error
    throw protocolError(error instanceof Error ? error.message : String(error), error)
  } finally {
    clearTimeout(timer)
  }
}

export function protocolError(reason: string, cause?: unknown): AtollError<'PROTOCOL'> {
  return new AtollError('PROTOCOL', reason, { reason }, { cause })
}
