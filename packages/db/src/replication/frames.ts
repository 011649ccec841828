import * as lp from 'it-length-prefixed'
import { pipe } from 'it-pipe'
import { AtollError, type ByteStream, FETCH_IDLE_TIMEOUT_MS, MAX_FRAME_BYTES } from '@atolldb/core'

/**
 * Length-prefixed frames over a byte stream, both ways. Nobody waits for ever: where the other side neither sends what is
 * awaited nor takes what is sent, the stream is broken off.
 */
export interface FrameStream {
  /** The next frame. @throws PROTOCOL when the other side ended or sent too much, TIMEOUT when nothing came in time */
  read(): Promise<Uint8Array>
  /** Sends frames and ends our side; resolves when all were handed over. @throws PROTOCOL, TIMEOUT when they are not taken */
  send(frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void>
  /** Nothing more is expected: waits for the other side's end, and breaks the stream off where something else comes. */
  finish(): Promise<void>
  /** Ends both sides at once. */
  abort(reason: unknown): void
}

export function frameStream(stream: ByteStream, idleMs: number = FETCH_IDLE_TIMEOUT_MS): FrameStream {
  const incoming = pipe(stream.source, source => lp.decode(source, { maxDataLength: MAX_FRAME_BYTES }))
  const iterator = incoming[Symbol.asyncIterator]()
  const abort = (reason: unknown): void => stream.abort(asError(reason))
  const next = async (): Promise<Uint8Array | undefined> => {
    const limit = new IdleLimit(stream, idleMs)
    limit.arm()
    const { done, value } = await limit.guard(iterator.next())
    return done === true ? undefined : value.subarray()
  }
  return {
    async read() {
      const frame = await next()
      if (frame === undefined) throw protocolError('the stream ended early')
      return frame
    },
    async send(frames) {
      const limit = new IdleLimit(stream, idleMs)
      const sent = pipe(
        limited(frames, limit),
        source => lp.encode(source),
        source => flattened(source),
        source => stream.sink(source),
      )
      await limit.guard(sent)
    },
    async finish() {
      try {
        if ((await next()) !== undefined) throw protocolError('more came than was asked for')
      } catch (error) {
        abort(error)
      }
    },
    abort,
  }
}

/** Breaks a stream off when what is awaited of the other side takes too long. */
class IdleLimit {
  readonly #stream: ByteStream
  readonly #idleMs: number
  #timer: NodeJS.Timeout | undefined
  #expire: (reason: Error) => void = () => undefined

  constructor(stream: ByteStream, idleMs: number) {
    this.#stream = stream
    this.#idleMs = idleMs
  }

  arm(): void {
    this.disarm()
    this.#timer = setTimeout(() => {
      const data = { what: 'stream', timeoutMs: this.#idleMs }
      const reason = new AtollError('TIMEOUT', `nothing moved for ${this.#idleMs} ms`, data)
      this.#stream.abort(reason)
      this.#expire(reason)
    }, this.#idleMs)
  }

  disarm(): void {
    clearTimeout(this.#timer)
  }

  /** What it settles to, or the time limit; every failure as an error of ours. */
  async guard<Result>(work: Promise<Result>): Promise<Result> {
    const expired = new Promise<never>((_resolve, reject) => (this.#expire = reject))
    try {
      return await Promise.race([work, expired])
    } catch (error) {
      if (error instanceof AtollError) throw error
      throw protocolError(asError(error).message, error)
    } finally {
      this.disarm()
    }
  }
}

/** The time that frames take to be made does not count, that for which they are not taken does. */
async function* limited(
  frames: AsyncIterable<Uint8Array> | Iterable<Uint8Array>,
  limit: IdleLimit,
): AsyncGenerator<Uint8Array> {
  for await (const frame of frames) {
    limit.arm()
    yield frame
    limit.disarm()
  }
  limit.arm()
}

async function* flattened(source: AsyncIterable<{ subarray(): Uint8Array } | Uint8Array>): AsyncGenerator<Uint8Array> {
  for await (const chunk of source) yield chunk.subarray()
}

function asError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason))
}

export function protocolError(reason: string, cause?: unknown): AtollError<'PROTOCOL'> {
  return new AtollError('PROTOCOL', reason, { reason }, { cause })
}
