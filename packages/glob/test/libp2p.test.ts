import { createHash, randomBytes } from 'node:crypto'
import { connect, createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { once } from 'node:events'
import {
  HANDSHAKE_TIMEOUT_MS,
  MAX_GLOB_MESSAGE_BYTES,
  parseNodeId,
  type NodeId,
  type PeerEvent,
  type Transport,
} from '@atolldb/core'
import { expectDelivery, readAll, withoutPeer } from '@atolldb/testkit'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createTransport, type TransportOptions } from '../src/index.ts'

/** What this file is about: what only the libp2p transport does. The contract is in transport.test.ts. */

const loopback = '/ip4/127.0.0.1/tcp/0'
const started: Transport[] = []

afterEach(async () => {
  await Promise.all(started.splice(0).map(async transport => transport.stop()))
})

async function make(options: Partial<TransportOptions> = {}): Promise<Transport> {
  const transport = await createTransport({
    privateKeySeed: randomBytes(32),
    listen: [loopback],
    bootstrap: [],
    ...options,
  })
  started.push(transport)
  return transport
}

async function start(options: Partial<TransportOptions> = {}): Promise<Transport> {
  const transport = await make(options)
  await transport.start()
  return transport
}

async function event(transport: Transport, type: PeerEvent['type'], peer: NodeId): Promise<void> {
  await new Promise<void>(resolve => {
    const undo = transport.onPeer(seen => {
      if (seen.type !== type || seen.peer !== peer) return
      undo()
      resolve()
    })
  })
}

/** A program that takes connections and never says a word. */
async function mute(): Promise<{ server: Server; address: string }> {
  const server = createServer(socket => socket.on('error', () => undefined).resume())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { server, address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}` }
}

/** A line to a node that can be made to carry nothing more. */
async function interruptible(to: Transport): Promise<{ address: string; freeze(): void; close(): void }> {
  const port = Number(/\/tcp\/(\d+)/.exec(to.addresses()[0] ?? '')?.[1])
  const sockets: Socket[] = []
  const server = createServer(near => {
    const far = connect(port, '127.0.0.1')
    for (const socket of [near, far]) socket.on('error', () => undefined)
    near.pipe(far)
    far.pipe(near)
    sockets.push(near, far)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  return {
    address: `/ip4/127.0.0.1/tcp/${(server.address() as AddressInfo).port}`,
    freeze: () => {
      for (const socket of sockets) socket.unpipe().pause()
    },
    close: () => {
      for (const socket of sockets) socket.destroy()
      server.close()
    },
  }
}

describe('identity', () => {
  test('is the peer id of the seed: base58btc of the identity multihash of its public key', async () => {
    // RFC 8032, section 7.1, test 1.
    const seed = Buffer.from('9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60', 'hex')
    const publicKey = Buffer.from('d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a', 'hex')
    const { self } = await make({ privateKeySeed: seed })
    expect(self).toBe(base58(Buffer.concat([Buffer.from('002408011220', 'hex'), publicKey])))
    expect(self.startsWith('12D3Koo')).toBe(true)
  })

  test('needs a seed of 32 bytes', async () => {
    await expect(make({ privateKeySeed: randomBytes(31) })).rejects.toMatchObject({ code: 'INVALID' })
  })
})

describe('addresses', () => {
  test.each([
    '',
    'nonsense',
    '127.0.0.1:4001',
    '/ip4/127.0.0.1',
    '/ip4/300.0.0.1/tcp/1',
    '/ip4/127.0.0.1/udp/4001/quic-v1',
    '/ip4/127.0.0.1/tcp/4001/ws',
    '/ip4/127.0.0.1/tcp/4001/p2p/QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N',
    '/ip4/127.0.0.1/tcp/4001/p2p/nobody',
  ])('%j is INVALID', async address => {
    await expect(make({ listen: [address] })).rejects.toMatchObject({ code: 'INVALID' })
    await expect(make({ bootstrap: [address] })).rejects.toMatchObject({ code: 'INVALID' })
  })

  test('to listen on have no peer id, and to dial have a port', async () => {
    const { self } = await make()
    await expect(make({ listen: [`${loopback}/p2p/${self}`] })).rejects.toMatchObject({ code: 'INVALID' })
    await expect(make({ bootstrap: [loopback] })).rejects.toMatchObject({ code: 'INVALID' })
  })

  test('are those of the interfaces when all are listened on', async () => {
    const transport = await start({ listen: ['/ip4/0.0.0.0/tcp/0'] })
    expect(transport.addresses()[0]).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/[1-9]\d*\/p2p\/12D3Koo/)
    expect(transport.addresses().join(' ')).not.toContain('0.0.0.0')
  })

  test('of a port that another program has are in use', async () => {
    const { server, address } = await mute()
    const transport = await make({ listen: [loopback, address] })
    await expect(transport.start()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE', data: { address } })
    server.close()
    await once(server, 'close')
    await transport.start()
    expect(transport.addresses()).toHaveLength(2)
  })

  test('keep the free port that was found over a stop, unless another program has it by then', async () => {
    const transport = await start({ listen: [loopback, '/ip4/127.0.0.2/tcp/0'] })
    const before = transport.addresses()
    await transport.stop()
    await transport.start()
    expect(transport.addresses().toSorted()).toEqual(before.toSorted())
    await transport.stop()
    const taken = createServer()
    taken.listen(Number(before[0]!.split('/')[4]), before[0]!.split('/')[2])
    await once(taken, 'listening')
    await transport.start()
    expect(transport.addresses()).toHaveLength(2)
    expect(transport.addresses()).not.toContain(before[0])
    taken.close()
    await once(taken, 'close')
  })

  test('that are not of this machine cannot be bound', async () => {
    const address = '/ip4/192.0.2.1/tcp/4001'
    const transport = await make({ listen: [address] })
    await expect(transport.start()).rejects.toMatchObject({ code: 'ADDRESS_IN_USE', data: { address } })
  })
})

describe('dialling', () => {
  test('a node with another peer id than the one expected is not connected to, and the reason stands in the status', async () => {
    const [other, absent] = [await start(), await make()]
    const address = `${withoutPeer(other)}/p2p/${absent.self}`
    const transport = await start({ bootstrap: [address] })
    await vi.waitFor(() => expect(transport.bootstraps()[0]?.error).toContain('does not match expected'))
    expect(transport.peers()).toEqual([])
    expect(other.peers()).toEqual([])
  })

  test('one side that comes back with the same key is reached by those that know its address', async () => {
    const seed = randomBytes(32)
    const first = await start({ privateKeySeed: seed })
    const listen = [withoutPeer(first)]
    const other = await start({ bootstrap: first.addresses() })
    await event(other, 'connected', first.self)
    const gone = event(other, 'disconnected', first.self)
    await first.stop()
    await gone
    const back = event(other, 'connected', first.self)
    const second = await start({ privateKeySeed: seed, listen })
    await back
    for (const transport of [second, other]) transport.joinChannel('one')
    await expectDelivery({ transport: other }, [{ transport: second }])
    await expectDelivery({ transport: second }, [{ transport: other }])
  })

  test('a disconnected peer is not let in either', async () => {
    const a = await start()
    const b = await start({ bootstrap: a.addresses() })
    await event(b, 'connected', a.self)
    const gone = event(b, 'disconnected', a.self)
    await a.disconnect(b.self)
    await gone
    const events: PeerEvent[] = []
    b.onPeer(seen => events.push(seen))
    await vi.waitFor(() => expect(b.bootstraps()[0]?.error).toMatch(/./), 5000)
    expect(a.peers()).toEqual([])
    expect(events).toEqual([])
  })
})

describe('streams', () => {
  test('a slow reader of 10 MB makes neither side hold much of it', async () => {
    const a = await start()
    const b = await start({ bootstrap: a.addresses() })
    await event(b, 'connected', a.self)
    const total = 10 * 1000 * 1000
    const chunk = randomBytes(100_000)
    const [expected, got] = [createHash('sha256'), createHash('sha256')]
    let written = 0
    let read = 0
    let mostAhead = 0
    const done = new Promise<void>(resolve => {
      a.handle('/big', async (_from, stream) => {
        for await (const part of stream.source) {
          got.update(part)
          read += part.length
          mostAhead = Math.max(mostAhead, written - read)
          // As slow as can be said without a clock: other work comes first.
          await new Promise(setImmediate)
        }
        await stream.sink([])
        resolve()
      })
    })
    const stream = await b.openStream(a.self, '/big')
    async function* source(): AsyncGenerator<Uint8Array> {
      while (written < total) {
        expected.update(chunk)
        written += chunk.length
        yield chunk
      }
    }
    await stream.sink(source())
    await done
    expect(await readAll(stream)).toEqual([])
    expect(read).toBe(total)
    expect(got.digest('hex')).toBe(expected.digest('hex'))
    expect(mostAhead).toBeLessThan(4 * 1024 * 1024)
  })

  test('to a peer that falls silent end with the signal, or else with TIMEOUT', async () => {
    const a = await start()
    const line = await interruptible(a)
    const b = await start({ bootstrap: [line.address] })
    await event(b, 'connected', a.self)
    line.freeze()
    const controller = new AbortController()
    const opening = b.openStream(a.self, '/test', { signal: controller.signal })
    controller.abort()
    await expect(opening).rejects.toMatchObject({ code: 'ABORTED' })
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const another = Promise.allSettled([b.openStream(a.self, '/test')])
    vi.advanceTimersByTime(HANDSHAKE_TIMEOUT_MS)
    vi.useRealTimers()
    expect((await another)[0]).toMatchObject({ status: 'rejected', reason: { code: 'TIMEOUT' } })
    line.close()
  })
})

describe('broadcasts', () => {
  test('reach 14 nodes on one address', async () => {
    const first = await start()
    const others = await Promise.all(
      Array.from({ length: 13 }, async () => {
        const transport = await make({ bootstrap: first.addresses() })
        const connected = event(transport, 'connected', first.self)
        await transport.start()
        await connected
        return transport
      }),
    )
    const all = [first, ...others]
    for (const transport of all) transport.joinChannel('many')
    for (const sender of [first, ...others.slice(0, 2)])
      await expectDelivery(
        { transport: sender },
        all.filter(each => each !== sender).map(transport => ({ transport })),
      )
  }, 20_000)

  test('are judged before they are delivered or handed on', async () => {
    const judged: NodeId[] = []
    const middle = await start({
      validate: (from, message) => {
        judged.push(from)
        return message.length === 1 ? 'ignore' : 'accept'
      },
    })
    const [a, b] = [await make({ bootstrap: middle.addresses() }), await make({ bootstrap: middle.addresses() })]
    for (const transport of [a, b]) {
      const connected = event(transport, 'connected', middle.self)
      await transport.start()
      await connected
    }
    const heard: number[] = []
    for (const transport of [a, b, middle]) {
      transport.joinChannel('one')
      if (transport !== a) transport.onBroadcast((_from, message) => heard.push(message.length))
    }
    await expectDelivery({ transport: a }, [{ transport: middle }, { transport: b }], 150)
    await a.broadcast(new Uint8Array(1))
    await expectDelivery({ transport: a }, [{ transport: middle }, { transport: b }], 160)
    expect(heard).not.toContain(1)
    expect(new Set(judged)).toEqual(new Set([a.self]))
  })

  test('that are rejected again and again cost their sender our ear', async () => {
    let judged = 0
    const judge = await start({
      validate: () => {
        judged++
        return 'reject'
      },
    })
    const sender = await make({ bootstrap: judge.addresses() })
    const connected = event(sender, 'connected', judge.self)
    await sender.start()
    await connected
    for (const transport of [judge, sender]) transport.joinChannel('one')
    const words = setInterval(() => void sender.broadcast(randomBytes(10)), 5)
    await vi.waitFor(() => expect(judged).toBeGreaterThan(10), 5000)
    // One second later nothing more gets as far as the judge: the connection is there, but it is not listened to.
    let last = -1
    await vi.waitFor(
      () => {
        const now = judged
        const same = now === last
        last = now
        expect(same).toBe(true)
      },
      { timeout: 10_000, interval: 300 },
    )
    clearInterval(words)
    expect(sender.peers()).toHaveLength(1)
  })

  test('of the largest size are told from larger ones at the sender', async () => {
    const transport = await start()
    transport.joinChannel('one')
    await transport.broadcast(new Uint8Array(MAX_GLOB_MESSAGE_BYTES))
  })
})

describe('stop', () => {
  test('does not wait for a peer that never answered', async () => {
    const silent = await mute()
    const transport = await start({ bootstrap: [silent.address] })
    await once(silent.server, 'connection')
    await expectStop(transport)
    silent.server.close()
  })

  test('does not wait for a peer that fell silent with a stream half sent', async () => {
    const a = await start()
    a.handle('/test', async () => undefined)
    const line = await interruptible(a)
    const b = await start({ bootstrap: [line.address] })
    await event(b, 'connected', a.self)
    const stream = await b.openStream(a.self, '/test')
    line.freeze()
    const sent = Promise.allSettled([stream.sink([new Uint8Array(20_000_000)])])
    await expectStop(b)
    expect((await sent)[0]).toMatchObject({ status: 'rejected', reason: { code: 'PROTOCOL' } })
    line.close()
  })

  async function expectStop(transport: Transport): Promise<void> {
    const from = performance.now()
    await transport.stop()
    expect(performance.now() - from).toBeLessThan(4000)
  }
})

/** base58btc, the long way. */
function base58(bytes: Buffer): NodeId {
  const letters = '123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz'
  let number = BigInt(`0x${bytes.toString('hex')}`)
  let text = ''
  for (; number > 0n; number /= 58n) text = letters.charAt(Number(number % 58n)) + text
  for (const byte of bytes) {
    if (byte !== 0) break
    text = `1${text}`
  }
  return parseNodeId(text)
}
