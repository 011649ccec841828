import { MAX_GLOB_MESSAGE_BYTES, MAX_STREAMS_PER_PROTOCOL } from '@atolldb/core'
import type { ByteStream, NodeId, PeerEvent, Transport } from '@atolldb/core'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { expectDelivery, readAll, withoutPeer } from './transport-checks.ts'

export interface CreateTransportOptions {
  /** Addresses to listen on; a free one when absent. */
  readonly listen?: readonly string[]
  readonly bootstrap?: readonly string[]
}

export interface TransportSuiteOptions {
  /** A transport with an identity of its own, not started, on the network that all of them share. */
  readonly create: (options: CreateTransportOptions) => Promise<Transport>
}

const bytes = (text: string) => new TextEncoder().encode(text)
const text = (chunks: Uint8Array[]) => new TextDecoder().decode(Buffer.concat(chunks))

/** What a transport told about its peers, to wait for. */
class PeerLog {
  readonly events: PeerEvent[] = []
  readonly #waiters = new Set<() => void>()

  constructor(transport: Transport) {
    transport.onPeer(event => {
      this.events.push(event)
      for (const waiter of this.#waiters) waiter()
    })
  }

  /** Resolves when the peer connected (or disconnected) that many times. */
  async count(type: PeerEvent['type'], peer: NodeId, times = 1): Promise<void> {
    const reached = () => this.events.filter(event => event.type === type && event.peer === peer).length >= times
    while (!reached())
      await new Promise<void>(resolve => {
        const waiter = () => {
          this.#waiters.delete(waiter)
          resolve()
        }
        this.#waiters.add(waiter)
      })
  }
}

interface Peer {
  readonly transport: Transport
  readonly self: NodeId
  readonly log: PeerLog
}

/** A promise for one value, and the way to give it. */
function pending<T>(): { readonly value: Promise<T>; readonly give: (value: T) => void } {
  let give!: (value: T) => void
  const value = new Promise<T>(resolve => (give = resolve))
  return { value, give }
}

/**
 * The contract of {@link Transport} as tests: registers them with vitest for one implementation.
 *
 * @example
 * testTransport({ create: async options => network.createTransport(options) })
 */
export function testTransport({ create }: TransportSuiteOptions): void {
  const made: Transport[] = []

  async function make(options: CreateTransportOptions = {}): Promise<Peer> {
    const transport = await create(options)
    made.push(transport)
    return { transport, self: transport.self, log: new PeerLog(transport) }
  }

  async function started(options: CreateTransportOptions = {}): Promise<Peer> {
    const peer = await make(options)
    await peer.transport.start()
    return peer
  }

  /** The first knows nobody, each later one the first. */
  async function cluster(size: number): Promise<Peer[]> {
    const first = await started()
    const rest = await Promise.all(
      Array.from({ length: size - 1 }, async () => started({ bootstrap: first.transport.addresses() })),
    )
    await Promise.all(
      rest.map(async peer =>
        Promise.all([peer.log.count('connected', first.self), first.log.count('connected', peer.self)]),
      ),
    )
    return [first, ...rest]
  }

  async function pair(): Promise<[Peer, Peer]> {
    const [a, b] = await cluster(2)
    return [a as Peer, b as Peer]
  }

  afterEach(async () => {
    await Promise.all(made.splice(0).map(async transport => transport.stop()))
  })

  describe('connections', () => {
    test('a node that knows the address of another connects to it, and both say so once', async () => {
      const [a, b] = await pair()
      expect(a.log.events).toEqual([{ type: 'connected', peer: b.self }])
      expect(b.log.events).toEqual([{ type: 'connected', peer: a.self }])
      expect(a.transport.peers().map(({ id }) => id)).toEqual([b.self])
      expect(b.transport.peers()).toEqual([{ id: a.self, address: a.transport.addresses()[0] }])
      expect(b.transport.bootstraps()).toEqual([{ address: a.transport.addresses()[0], connected: true }])
    })

    test('an address without a peer id will do', async () => {
      const a = await started()
      const address = withoutPeer(a.transport)
      const b = await started({ bootstrap: [address] })
      await b.log.count('connected', a.self)
      await vi.waitFor(() => expect(b.transport.bootstraps()).toEqual([{ address, connected: true }]))
    })

    test('nodes that dial each other at once are connected once', async () => {
      const [a, b] = await Promise.all([started(), started()])
      a.transport.remember(b.transport.addresses())
      b.transport.remember(a.transport.addresses())
      await Promise.all([a.log.count('connected', b.self), b.log.count('connected', a.self)])
      await echoes(a, b)
      await echoes(b, a)
      expect(a.log.events).toHaveLength(1)
      expect(b.log.events).toHaveLength(1)
      expect(a.transport.peers()).toHaveLength(1)
    })

    test('an address of its own is passed over in silence', async () => {
      const a = await started()
      a.transport.remember([...a.transport.addresses(), withoutPeer(a.transport)])
      const b = await started()
      a.transport.remember(b.transport.addresses())
      await a.log.count('connected', b.self)
      expect(a.transport.peers().map(({ id }) => id)).toEqual([b.self])
    })

    test('what is no address is not remembered', async () => {
      const [a, b] = await Promise.all([started(), started()])
      a.transport.remember(['nonsense', ...b.transport.addresses()])
      await a.log.count('connected', b.self)
    })

    test('a bootstrap that does not answer is said so, and reached when it comes up later', async () => {
      const early = await started()
      const address = withoutPeer(early.transport)
      await early.transport.stop()
      const b = await started({ bootstrap: [address] })
      await vi.waitFor(() => expect(b.transport.bootstraps()[0]?.error).toMatch(/./))
      expect(b.transport.bootstraps()[0]).toMatchObject({ address, connected: false })
      const late = await started({ listen: [address] })
      await b.log.count('connected', late.self)
      await vi.waitFor(() => expect(b.transport.bootstraps()).toEqual([{ address, connected: true }]))
    })

    test('somebody else at the address of a bootstrap is not connected to', async () => {
      const gone = await started()
      const [address = ''] = gone.transport.addresses()
      const listen = [withoutPeer(gone.transport)]
      await gone.transport.stop()
      const other = await started({ listen })
      const b = await started({ bootstrap: [address] })
      await vi.waitFor(() => expect(b.transport.bootstraps()[0]?.error).toMatch(/./))
      expect(b.transport.peers()).toEqual([])
      expect(other.log.events).toEqual([])
    })

    test('start rejects with ADDRESS_IN_USE and names the address, and can be tried again', async () => {
      const a = await started()
      const address = withoutPeer(a.transport)
      const b = await make({ listen: [address] })
      await expect(b.transport.start()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE', data: { address } })
      expect(b.transport.addresses()).toEqual([])
      await a.transport.stop()
      await b.transport.start()
      expect(withoutPeer(b.transport)).toBe(address)
    })

    test.each([{ listen: ['nonsense'] }, { bootstrap: ['/nonsense/1'] }])('%j is INVALID', async options => {
      await expect(make(options)).rejects.toMatchObject({ code: 'INVALID' })
    })

    test('the end of a peer is told, and it is reached again when it is back', async () => {
      const [a, b] = await pair()
      await b.transport.stop()
      await a.log.count('disconnected', b.self)
      expect(a.transport.peers()).toEqual([])
      expect(b.transport.peers()).toEqual([])
      expect(b.transport.addresses()).toEqual([])
      await b.transport.start()
      await Promise.all([a.log.count('connected', b.self, 2), b.log.count('connected', a.self, 2)])
    })

    test('a node that stopped and started answers and broadcasts as before', async () => {
      const [a, b] = await pair()
      b.transport.joinChannel('one')
      a.transport.joinChannel('one')
      b.transport.handle('/echo', async (_from, stream) => stream.sink(stream.source))
      await b.transport.stop()
      await b.transport.start()
      await a.log.count('connected', b.self, 2)
      const stream = await a.transport.openStream(b.self, '/echo')
      await stream.sink([bytes('again')])
      expect(text(await readAll(stream))).toBe('again')
      await expectDelivery(a, [b])
      await expectDelivery(b, [a])
    })

    test('start and stop may be called twice, and stop before start', async () => {
      const a = await make()
      await a.transport.stop()
      await Promise.all([a.transport.start(), a.transport.start()])
      expect(a.transport.addresses()).toHaveLength(1)
      await Promise.all([a.transport.stop(), a.transport.stop()])
      expect(a.transport.addresses()).toEqual([])
    })

    test('a disconnected peer is kept away for the time given', async () => {
      const [a, b] = await pair()
      const from = performance.now()
      await a.transport.disconnect(b.self, { forMs: 300 })
      await Promise.all([a.log.count('disconnected', b.self), b.log.count('disconnected', a.self)])
      await a.log.count('connected', b.self, 2)
      expect(performance.now() - from).toBeGreaterThan(290)
    })

    test('handlers that were taken back are not called', async () => {
      const a = await started()
      const seen: PeerEvent[] = []
      a.transport.onPeer(event => seen.push(event))()
      const b = await started({ bootstrap: a.transport.addresses() })
      await a.log.count('connected', b.self)
      expect(seen).toEqual([])
    })
  })

  describe('broadcasts', () => {
    test('reach the other nodes of the channel, over others too, and say who sent them', async () => {
      const peers = await cluster(3)
      for (const { transport } of peers) transport.joinChannel('one')
      for (const sender of peers)
        await expectDelivery(
          sender,
          peers.filter(peer => peer !== sender),
        )
    })

    test('do not come back to their sender', async () => {
      const [a, b] = await pair()
      const own: Uint8Array[] = []
      a.transport.onBroadcast((_from, message) => own.push(message))
      for (const { transport } of [a, b]) transport.joinChannel('one')
      await expectDelivery(a, [b])
      await expectDelivery(b, [a])
      expect(own.map(message => new TextDecoder().decode(message).split(' ')[0])).not.toContain(a.self)
    })

    test('stay in their channel, and a node is in the last one that it joined', async () => {
      const [a, b] = await pair()
      const heard: string[] = []
      b.transport.onBroadcast((_from, message) => heard.push(new TextDecoder().decode(message)))
      b.transport.joinChannel('one')
      b.transport.joinChannel('two')
      a.transport.joinChannel('one')
      await a.transport.broadcast(bytes('not for b'))
      a.transport.joinChannel('two')
      await expectDelivery(a, [b])
      expect(heard).not.toContain('not for b')
    })

    test('are no failure where nobody hears them', async () => {
      const a = await make()
      await a.transport.broadcast(bytes('not started'))
      await a.transport.start()
      await a.transport.broadcast(bytes('no channel'))
      a.transport.joinChannel('one')
      await a.transport.broadcast(bytes('no peers'))
    })

    test('as large as the limit arrive, larger ones are TOO_LARGE', async () => {
      const [a, b] = await pair()
      for (const { transport } of [a, b]) transport.joinChannel('one')
      await expectDelivery(a, [b], MAX_GLOB_MESSAGE_BYTES)
      await expect(a.transport.broadcast(new Uint8Array(MAX_GLOB_MESSAGE_BYTES + 1))).rejects.toMatchObject({
        code: 'TOO_LARGE',
      })
    })
  })

  describe('streams', () => {
    /** A stream from b to a, and what a got. */
    async function stream(): Promise<{ a: Peer; b: Peer; here: ByteStream; there: ByteStream; finish: () => void }> {
      const [a, b] = await pair()
      const arrived = pending<ByteStream>()
      const finished = pending<void>()
      a.transport.handle('/test', async (_from, accepted) => {
        arrived.give(accepted)
        await finished.value
      })
      const here = await b.transport.openStream(a.self, '/test')
      return { a, b, here, there: await arrived.value, finish: () => finished.give() }
    }

    test('carry bytes both ways, and say from whom they are', async () => {
      const [a, b] = await pair()
      const from = pending<NodeId>()
      a.transport.handle('/echo', async (peer, accepted) => {
        from.give(peer)
        await accepted.sink(accepted.source)
      })
      const opened = await b.transport.openStream(a.self, '/echo')
      const [answer] = await Promise.all([readAll(opened), opened.sink([bytes('one '), bytes(''), bytes('two')])])
      expect(text(answer)).toBe('one two')
      expect(await from.value).toBe(b.self)
    })

    test('carry much more than they hold', async () => {
      const { here, there } = await stream()
      const sent = Array.from({ length: 400 }, (_, index) => new Uint8Array(20_000).fill(index))
      const [arrived] = await Promise.all([readAll(there), here.sink(sent), readAll(here), there.sink([])])
      expect(Buffer.compare(Buffer.concat(arrived), Buffer.concat(sent))).toBe(0)
    })

    test('are closed one direction at a time', async () => {
      const { here, there } = await stream()
      await here.sink([bytes('question')])
      expect(text(await readAll(there))).toBe('question')
      await there.sink([bytes('answer')])
      expect(text(await readAll(here))).toBe('answer')
    })

    test('make a writer wait for a reader', async () => {
      const { here, there } = await stream()
      const chunk = new Uint8Array(64 * 1024)
      let taken = 0
      const full = pending<void>()
      let quiet: ReturnType<typeof setTimeout> | undefined
      async function* source(): AsyncGenerator<Uint8Array> {
        for (let index = 0; index < 320; index++) {
          taken += chunk.length
          clearTimeout(quiet)
          quiet = setTimeout(() => full.give(), 200)
          yield chunk
        }
      }
      const sent = here.sink(source())
      await full.value
      // 20 MiB wait to be sent; what is on the way is bounded.
      expect(taken).toBeLessThan(8 * 1024 * 1024)
      let arrived = 0
      for await (const part of there.source) arrived += part.length
      await sent
      expect(arrived).toBe(320 * chunk.length)
    })

    test('read to the end what was sent before both sides were done, however late', async () => {
      const { here, there } = await stream()
      await there.sink([])
      await here.sink([new Uint8Array(100_000)])
      expect(await readAll(here)).toEqual([])
      expect(Buffer.concat(await readAll(there))).toHaveLength(100_000)
    })

    test('let a reader leave, and the writer go on into nothing', async () => {
      const { here, there } = await stream()
      const sent = here.sink(Array.from({ length: 200 }, () => new Uint8Array(50_000)))
      for await (const first of there.source) {
        expect(first.length).toBeGreaterThan(0)
        break
      }
      await sent
    })

    test('an abort rejects what waits on both sides: with its reason here, with PROTOCOL there', async () => {
      const { here, there } = await stream()
      const reason = new Error('enough')
      const ends = Promise.allSettled([readAll(here), here.sink(never()), readAll(there), there.sink(never())])
      here.abort(reason)
      const [readHere, writeHere, readThere, writeThere] = await ends
      expect(readHere).toEqual({ status: 'rejected', reason })
      expect(writeHere).toEqual({ status: 'rejected', reason })
      expect(readThere).toMatchObject({ status: 'rejected', reason: { code: 'PROTOCOL' } })
      expect(writeThere).toMatchObject({ status: 'rejected', reason: { code: 'PROTOCOL' } })
      await expect(here.sink([bytes('too late')])).rejects.toBe(reason)
    })

    test('a source that fails aborts the stream', async () => {
      const { here, there } = await stream()
      const reason = new Error('disk')
      const read = readAll(there)
      // eslint-disable-next-line require-yield -- a source that fails before it yields is what is tested
      async function* broken(): AsyncGenerator<Uint8Array> {
        throw reason
      }
      await expect(here.sink(broken())).rejects.toBe(reason)
      await expect(read).rejects.toMatchObject({ code: 'PROTOCOL' })
    })

    test('a handler that fails aborts its stream', async () => {
      const [a, b] = await pair()
      a.transport.handle('/fails', async () => {
        throw new Error('no')
      })
      const opened = await b.transport.openStream(a.self, '/fails')
      await expect(readAll(opened)).rejects.toMatchObject({ code: 'PROTOCOL' })
    })

    test('end with PROTOCOL when the peer goes', async () => {
      const { a, here } = await stream()
      const ends = Promise.allSettled([readAll(here), here.sink(never())])
      await a.transport.stop()
      for (const end of await ends) expect(end).toMatchObject({ status: 'rejected', reason: { code: 'PROTOCOL' } })
    })

    test('are refused with a code that says why', async () => {
      const [a, b] = await pair()
      a.transport.handle('/test', async (_from, accepted) => accepted.sink([]))
      await expect(b.transport.openStream(a.self, '/other')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
      const stranger = await make()
      await expect(b.transport.openStream(stranger.self, '/test')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      const signal = AbortSignal.abort()
      await expect(b.transport.openStream(a.self, '/test', { signal })).rejects.toMatchObject({ code: 'ABORTED' })
      await b.transport.stop()
      await expect(b.transport.openStream(a.self, '/test')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
    })

    test('are refused once nobody answers the protocol any more', async () => {
      const [a, b] = await pair()
      const undo = a.transport.handle('/test', async (_from, accepted) => accepted.sink([]))
      expect(await readAll(await b.transport.openStream(a.self, '/test'))).toEqual([])
      undo()
      await expect(b.transport.openStream(a.self, '/test')).rejects.toMatchObject({ code: 'UNSUPPORTED' })
    })

    test('of one protocol to one peer are limited', async () => {
      const { a, b, here, finish } = await stream()
      const streams = [here]
      while (streams.length < MAX_STREAMS_PER_PROTOCOL) streams.push(await b.transport.openStream(a.self, '/test'))
      await expect(b.transport.openStream(a.self, '/test')).rejects.toMatchObject({ code: 'UNAVAILABLE' })
      finish()
      for (const each of streams) each.abort(new Error('done'))
      await b.transport.openStream(a.self, '/test')
    })
  })

  async function echoes(from: Peer, to: Peer): Promise<void> {
    const undo = to.transport.handle('/echo', async (_from, accepted) => accepted.sink(accepted.source))
    const opened = await from.transport.openStream(to.self, '/echo')
    await opened.sink([bytes('hello')])
    expect(text(await readAll(opened))).toBe('hello')
    undo()
  }
}

/** A source that has nothing to say yet. */
async function* never(): AsyncGenerator<Uint8Array> {
  await new Promise<never>(() => undefined)
  yield new Uint8Array()
}
