import { AtollError, type ByteStream } from '@atolldb/core'

/** Unread bytes at which a writer waits. */
const PIPE_BYTES = 256 * 1024

/** One direction of a stream: chunks that wait to be read, and a writer that waits while there are too many. */
class Pipe {
  #chunks: Uint8Array[] = []
  #bytes = 0
  #done = false
  #discarding = false
  #broken = false
  #wakeReader: (() => void) | undefined
  #wakeWriter: (() => void) | undefined

  get done(): boolean {
    return this.#done
  }

  /** Resolves when there is room for more, or nobody will ever take it. */
  async write(chunk: Uint8Array): Promise<void> {
    if (this.#broken || this.#discarding || chunk.length === 0) return
    this.#chunks.push(chunk.slice())
    this.#bytes += chunk.length
    this.#wakeReader?.()
    while (this.#bytes >= PIPE_BYTES && !this.#broken) await new Promise<void>(wake => (this.#wakeWriter = wake))
  }

  end(): void {
    this.#done = true
    this.#wakeReader?.()
  }

  break(): void {
    this.#broken = true
    this.#wakeReader?.()
    this.#wakeWriter?.()
  }

  /** What was written before the end arrives even if the pipe broke later. */
  async *read(failure: () => Error | undefined): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#broken && !this.#done) throw failure() ?? new Error('a broken pipe has a reason')
        const chunk = this.#chunks.shift()
        if (chunk !== undefined) {
          this.#bytes -= chunk.length
          this.#wakeWriter?.()
          yield chunk
        } else if (this.#done) return
        else await new Promise<void>(wake => (this.#wakeReader = wake))
      }
    } finally {
      this.#discarding = true
      this.#chunks = []
      this.#bytes = 0
      this.#wakeWriter?.()
    }
  }
}

/** One end of a stream in memory. */
export class MemoryStream implements ByteStream {
  readonly source: AsyncIterable<Uint8Array>
  readonly #incoming: Pipe
  readonly #outgoing: Pipe
  #failure: Error | undefined
  #interruptWriter: ((reason: Error) => void) | undefined
  #breakOther: (reason: Error) => void = () => undefined

  private constructor(incoming: Pipe, outgoing: Pipe) {
    this.#incoming = incoming
    this.#outgoing = outgoing
    this.source = { [Symbol.asyncIterator]: () => incoming.read(() => this.#failure) }
  }

  static pair(): [MemoryStream, MemoryStream] {
    const there = new Pipe()
    const back = new Pipe()
    const one = new MemoryStream(back, there)
    const other = new MemoryStream(there, back)
    one.#breakOther = reason => other.#break(reason)
    other.#breakOther = reason => one.#break(reason)
    return [one, other]
  }

  /** Broken, or both directions are at their end. */
  get over(): boolean {
    return this.#failure !== undefined || (this.#incoming.done && this.#outgoing.done)
  }

  async sink(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const chunks = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    try {
      for (;;) {
        const next = await this.#interruptible(async () => chunks.next())
        if (next.done === true) break
        await this.#outgoing.write(next.value)
        if (this.#failure !== undefined) throw this.#failure
      }
      this.#outgoing.end()
    } catch (error) {
      void Promise.resolve(chunks.return?.()).catch(() => undefined)
      if (this.#failure !== undefined) throw this.#failure
      const failure = error instanceof Error ? error : new Error(String(error))
      this.abort(failure)
      throw failure
    }
  }

  abort(reason: Error): void {
    this.#break(reason)
    this.#breakOther(protocolError('the other side broke the stream off'))
  }

  /** What lay between the two ends is gone. */
  losePeer(reason: string): void {
    this.#break(protocolError(reason))
    this.#breakOther(protocolError(reason))
  }

  #break(reason: Error): void {
    if (this.over) return
    this.#failure = reason
    this.#incoming.break()
    this.#outgoing.break()
    this.#interruptWriter?.(reason)
  }

  async #interruptible<T>(action: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    return new Promise<T>((resolve, reject) => {
      this.#interruptWriter = reject
      action().then(resolve, reject)
    }).finally(() => (this.#interruptWriter = undefined))
  }
}

function protocolError(reason: string): AtollError<'PROTOCOL'> {
  return new AtollError('PROTOCOL', reason, { reason })
}
