import { AtollError, type ByteStream, type NodeId } from '@atolldb/core'
import type { Stream, StreamCloseEvent, StreamMessageEvent } from '@libp2p/interface'

/** Unread bytes at which the other side is told to wait (beside what its Yamux window still lets through). */
const PAUSE_AT_BYTES = 64 * 1024

/**
 * A libp2p 3 stream (an event target) as a {@link ByteStream} (a duplex of iterables).
 *
 * Three habits of libp2p 3.3 shape it. A stream whose connection ends looks finished to `for await (… of stream)`, so only a
 * `remoteCloseWrite` seen here counts as an end, anything else is a failure. And `onDrain()` resolves at once from its
 * second use on, so back-pressure is taken from the `drain` event itself.
 * And a `pause()` from within the messages that `resume()` delivers is undone by the rest of `resume()`, so it waits for
 * its end.
 */
export class Libp2pByteStream implements ByteStream {
  readonly source: AsyncIterable<Uint8Array>
  readonly #stream: Stream
  readonly #peer: NodeId
  #unread: Uint8Array[] = []
  #unreadBytes = 0
  /** The other side said that it is done writing. */
  #remoteDone: boolean
  /** All that it wrote has arrived here. */
  #ended = false
  #resuming = false
  /** The reader lost interest: what arrives is dropped. */
  #discarding = false
  #failure: Error | undefined
  /** Wakes who waits for something to read. */
  #wakeReader: (() => void) | undefined
  /** Rejects what the writer waits for. */
  #interruptWriter: ((reason: Error) => void) | undefined

  constructor(stream: Stream, peer: NodeId) {
    this.#stream = stream
    this.#peer = peer
    this.#remoteDone = stream.status === 'open' && stream.remoteWriteStatus === 'closed'
    this.source = { [Symbol.asyncIterator]: () => this.#read() }
    stream.addEventListener('message', event => this.#received(event))
    stream.addEventListener('remoteCloseWrite', () => (this.#remoteDone = true))
    stream.addEventListener('end', () => this.#allArrived())
    stream.addEventListener('close', event => this.#closed(event))
    if (stream.readableEnded) this.#allArrived()
    if (stream.status !== 'open') this.#closed()
  }

  async sink(source: AsyncIterable<Uint8Array> | Iterable<Uint8Array>): Promise<void> {
    const chunks = Symbol.asyncIterator in source ? source[Symbol.asyncIterator]() : source[Symbol.iterator]()
    try {
      for (;;) {
        const next = await this.#interruptible(async () => chunks.next())
        if (next.done === true) break
        if (next.value.length === 0) continue
        if (!this.#stream.send(next.value)) await this.#drained()
      }
      await this.#stream.close()
    } catch (error) {
      // Told to end, but not waited for: it may be busy with what we no longer want.
      void Promise.resolve(chunks.return?.()).catch(() => undefined)
      if (this.#failure !== undefined) throw this.#failure
      const failure = error instanceof Error ? error : new Error(String(error))
      this.abort(failure)
      throw failure
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  abort(reason: Error): void {
    this.#fail(reason)
    this.#stream.abort(reason)
  }

  #received({ data }: StreamMessageEvent): void {
    if (this.#discarding) return
    for (const chunk of data instanceof Uint8Array ? [data] : data) this.#unread.push(chunk)
    this.#unreadBytes += data.byteLength
    this.#wakeReader?.()
    if (!this.#resuming) this.#pauseWhenFull()
  }

  #pauseWhenFull(): void {
    if (this.#unreadBytes >= PAUSE_AT_BYTES && this.#stream.readStatus === 'readable') this.#stream.pause()
  }

  #allArrived(): void {
    if (!this.#remoteDone) return
    this.#ended = true
    this.#wakeReader?.()
  }

  #closed(event?: StreamCloseEvent): void {
    if (this.#ended && event?.error === undefined) return
    // Closed on both sides, with bytes that wait for the reader: `end` is still to come.
    if (this.#remoteDone && event?.error === undefined && this.#stream.readBufferLength > 0) return
    const reason =
      event?.error === undefined ? 'the connection ended early' : `the stream broke off: ${event.error.message}`
    this.#fail(new AtollError('PROTOCOL', reason, { reason, peer: this.#peer }, { cause: event?.error }))
  }

  /** The first reason is the one that everybody gets. */
  #fail(reason: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = reason
    if (!this.#ended) this.#dropUnread()
    this.#wakeReader?.()
    this.#interruptWriter?.(reason)
  }

  #dropUnread(): void {
    this.#unread = []
    this.#unreadBytes = 0
  }

  async *#read(): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        if (this.#unread.length > 0) {
          const chunks = this.#unread
          this.#dropUnread()
          // One at a time, and only then may more come in: the buffer stays what it says it is.
          yield* chunks
          this.#resume()
          continue
        }
        if (this.#ended) return
        if (this.#failure !== undefined) throw this.#failure
        this.#resume()
        if (this.#unread.length === 0 && !this.#settled()) await new Promise<void>(wake => (this.#wakeReader = wake))
        this.#wakeReader = undefined
      }
    } finally {
      this.#discard()
    }
  }

  #settled(): boolean {
    return this.#ended || this.#failure !== undefined
  }

  #resume(): void {
    if (this.#stream.readStatus !== 'paused') return
    this.#resuming = true
    this.#stream.resume()
    this.#resuming = false
    this.#pauseWhenFull()
  }

  /** Nobody reads any more: let the other side send into nothing, rather than wait for ever. */
  #discard(): void {
    this.#discarding = true
    this.#dropUnread()
    this.#resume()
  }

  /** Waits until the other side takes more. */
  async #drained(): Promise<void> {
    while (this.#stream.writableNeedsDrain && this.#stream.writeStatus === 'writable')
      await this.#interruptible(async () => {
        await new Promise<void>(resolve => {
          this.#stream.addEventListener('drain', () => resolve(), { once: true })
        })
      })
  }

  /** Runs what the writer waits for, and gives up on it when the stream breaks. */
  async #interruptible<T>(action: () => Promise<T>): Promise<T> {
    if (this.#failure !== undefined) throw this.#failure
    return new Promise<T>((resolve, reject) => {
      this.#interruptWriter = reject
      action().then(resolve, reject)
    }).finally(() => (this.#interruptWriter = undefined))
  }
}
