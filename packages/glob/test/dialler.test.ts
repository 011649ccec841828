import { parseNodeId, type NodeId } from '@atolldb/core'
import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { backOffMs } from '../src/back-off.ts'
import { Dialler, SelfDialError } from '../src/dialler.ts'

const [self, peer, other] = ['A', 'B', 'C'].map(letter => parseNodeId(`12D3KooW${letter.repeat(44)}`)) as [
  NodeId,
  NodeId,
  NodeId,
]
const address = '/ip4/192.0.2.1/tcp/4001'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

/** A network of which each dial is recorded, and answered as `answer` says. */
function network(answer: () => Promise<NodeId>) {
  const dials: string[] = []
  const connected = new Set<NodeId>()
  const refusals = new Map<NodeId, number>()
  return {
    dials,
    connected,
    refusals,
    self,
    dial: async (to: string) => {
      dials.push(to)
      const id = await answer()
      connected.add(id)
      return id
    },
    isConnected: (id: NodeId) => connected.has(id),
    refusedForMs: (id: NodeId) => refusals.get(id) ?? 0,
  }
}

const quiet = () => undefined
const refuse = async () => Promise.reject(new Error('connection refused'))

describe('back-off', () => {
  test('doubles from half a second to half a minute, and the upper half of it is chance', () => {
    fc.assert(
      fc.property(fc.nat({ max: 1000 }), fc.double({ min: 0, max: 0.999, noNaN: true }), (failures, random) => {
        const whole = Math.min(30_000, 500 * 2 ** failures)
        const delay = backOffMs(failures, () => random)
        expect(delay).toBeGreaterThanOrEqual(whole / 2)
        expect(delay).toBeLessThanOrEqual(whole)
      }),
    )
  })
})

describe('the dialler', () => {
  test('tries again after longer and longer times, and says why', async () => {
    const net = network(refuse)
    const dialler = new Dialler(net, [{ address }], quiet, () => 1)
    dialler.start()
    await vi.advanceTimersByTimeAsync(0)
    expect(dialler.states()).toEqual([{ address, connected: false, error: 'connection refused' }])
    const dialsAfterMs: [number, number][] = [[499, 1], [1, 2], [999, 2], [1, 3], [2000, 4], [4000, 5], [8000, 6], [16_000, 7], [30_000, 8], [30_000, 9]] // prettier-ignore
    for (const [ms, dials] of dialsAfterMs) {
      await vi.advanceTimersByTimeAsync(ms)
      expect(net.dials).toHaveLength(dials)
    }
    dialler.stop()
    expect(vi.getTimerCount()).toBe(0)
  })

  test('lets a connected peer be, and dials it again when it goes', async () => {
    const net = network(async () => peer)
    const dialler = new Dialler(net, [{ address, peer }], quiet, () => 0)
    dialler.start()
    await vi.advanceTimersByTimeAsync(60_000)
    expect(net.dials).toHaveLength(1)
    expect(dialler.states()).toEqual([{ address, connected: true }])
    net.connected.delete(peer)
    dialler.disconnected(peer)
    await vi.advanceTimersByTimeAsync(250)
    expect(net.dials).toHaveLength(2)
    dialler.stop()
  })

  test('gives up its wait when the peer comes by itself', async () => {
    const net = network(refuse)
    const dialler = new Dialler(net, [{ address, peer }], quiet, () => 0)
    dialler.start()
    await vi.advanceTimersByTimeAsync(0)
    net.connected.add(peer)
    dialler.connected(peer)
    expect(vi.getTimerCount()).toBe(0)
    expect(dialler.states()).toEqual([{ address, connected: true }])
  })

  test('does not dial a refused peer before its time', async () => {
    const net = network(async () => peer)
    net.refusals.set(peer, 5000)
    const dialler = new Dialler(net, [{ address, peer }], quiet, () => 0)
    dialler.start()
    await vi.advanceTimersByTimeAsync(4999)
    expect(net.dials).toHaveLength(0)
    net.refusals.delete(peer)
    await vi.advanceTimersByTimeAsync(1)
    expect(net.dials).toHaveLength(1)
    dialler.stop()
  })

  test('never dials itself twice, and says nothing about it', async () => {
    const net = network(async () => Promise.reject(new SelfDialError()))
    const dialler = new Dialler(net, [{ address }, { address: `${address}/p2p/${self}`, peer: self }], quiet, () => 0)
    dialler.start()
    await vi.advanceTimersByTimeAsync(100_000)
    expect(net.dials).toEqual([address])
    expect(dialler.states().map(({ error }) => error)).toEqual([undefined, undefined])
  })

  test('remembers an address once, and not without end', async () => {
    const net = network(refuse)
    const dialler = new Dialler(net, [], quiet, () => 0)
    for (let round = 0; round < 2; round++)
      for (let port = 1; port <= 2000; port++) dialler.remember({ address: `/ip4/192.0.2.1/tcp/${port}`, peer: other })
    dialler.start()
    await vi.advanceTimersByTimeAsync(0)
    expect(net.dials).toHaveLength(1024)
    dialler.stop()
  })

  test('hears no more of dials of before a stop', async () => {
    let reject!: (error: Error) => void
    const net = network(async () => new Promise<NodeId>((_resolve, refuseLate) => (reject = refuseLate)))
    const dialler = new Dialler(net, [{ address }], quiet, () => 0)
    dialler.start()
    dialler.stop()
    reject(new Error('late'))
    await vi.advanceTimersByTimeAsync(100_000)
    expect(net.dials).toHaveLength(1)
    expect(dialler.states()).toEqual([{ address, connected: false }])
  })
})
