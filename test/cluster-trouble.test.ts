import { type Environment, MAX_DRIFT_MS } from '@atolldb/core'
import { MemoryNetwork } from '@atolldb/testkit'
import { describe, expect, it, vi } from 'vitest'
import {
  eventually,
  fsck,
  git,
  openCluster,
  openNode,
  settled,
  TestClock,
  type TestNode,
} from '../packages/db/test/replication/nodes.ts'
import { temporaryDirectory } from '../packages/db/test/temporary.ts'

const MINUTE_MS = 60_000

async function clockOf(node: TestNode): Promise<number> {
  for await (const { time } of node.db.log({ limit: 1 })) return time.getTime()
  throw new Error('no commit')
}

describe('a clock that is far off', () => {
  it('ahead: its commits are held, with their descendants, until our clock catches up', async () => {
    const network = new MemoryNetwork()
    const hasty = new TestClock()
    const ours = new TestClock()
    const directory = temporaryDirectory()
    const ahead = await openNode(network, { environment: hasty })
    let node = await openNode(network, { environment: ours, joins: [ahead.port], directory })
    await settled(ahead, node)
    hasty.turn(10 * MINUTE_MS)
    await ahead.db.object('farms').put('ahead', { n: 1 })
    await ahead.db.flush()
    // Gossip from so far ahead is dropped; the exchange of heads at a new connection is not.
    await ahead.db.offline()
    await ahead.db.online()
    await eventually(async () => expect((await node.db.status()).held).toBe(1))
    await ahead.db.object('farms').put('descendant', { n: 2 })
    await ahead.db.flush()
    await ahead.db.offline()
    await ahead.db.online()
    await eventually(async () => expect((await node.db.status()).held).toBe(2))
    expect(await node.db.object('farms').get('ahead')).toBeUndefined()

    // It does not move our clock.
    await node.db.object('farms').put('ours', { n: 3 })
    await node.db.flush()
    expect(await clockOf(node)).toBeLessThan(ours.nowMs() + MINUTE_MS)
    // What is behind goes the other way all the same.
    await eventually(async () => expect(await ahead.db.object('farms').get('ours')).toEqual({ n: 3 }))

    // Held it stays over a restart, though it is in the repository.
    await node.db.close()
    node = await openNode(network, { environment: ours, joins: [ahead.port], directory, port: node.port })
    await eventually(async () => expect((await node.db.status()).held).toBeGreaterThanOrEqual(2))
    expect(await node.db.object('farms').get('ahead')).toBeUndefined()

    ours.turn(10 * MINUTE_MS - MAX_DRIFT_MS + MINUTE_MS)
    await eventually(async () => expect(await node.db.object('farms').get('descendant')).toEqual({ n: 2 }))
    expect((await node.db.status()).held).toBe(0)
    await settled(ahead, node)
    fsck(node)
  })

  it('in 1970: nothing is held, and status says that the clock is wrong', async () => {
    const network = new MemoryNetwork()
    const hasty = new TestClock()
    const first = await openNode(network, { environment: hasty })
    const booted = new (class extends TestClock implements Environment {
      override nowMs(): number {
        return 1_000
      }
    })()
    const node = await openNode(network, { environment: booted, joins: [first.port] })
    hasty.turn(10 * MINUTE_MS)
    await first.db.object('farms').put('north', {})
    await settled(first, node)
    const status = await node.db.status()
    expect(status).toMatchObject({ held: 0, state: 'degraded' })
    expect(status.reason).toMatch(/clock/)
    await node.db.object('farms').put('south', {})
    await settled(first, node)
  })
})

describe('gossip that is lost', () => {
  it('is made up for by the exchange of heads', async () => {
    const real = globalThis.setTimeout
    // The exchange comes every 30 s, give or take a quarter: a hundred times sooner here.
    const hasten = (work: () => void, ms = 0): NodeJS.Timeout => real(work, ms >= 22_000 ? ms / 100 : ms)
    const spy = vi.spyOn(globalThis, 'setTimeout').mockImplementation(hasten)
    try {
      const network = new MemoryNetwork()
      const [a, b] = await openCluster(network, 2)
      let lost = 0
      network.loses = () => ++lost > 0
      await a!.db.object('farms').put('north', {})
      await settled(a!, b!)
      expect(lost).toBeGreaterThan(0)
      await b!.db.object('farms').put('south', {})
      await settled(a!, b!)
    } finally {
      spy.mockRestore()
    }
  })
})

describe('a first sync that is broken off', () => {
  it('goes on where it stopped', async () => {
    const network = new MemoryNetwork()
    const first = await openNode(network)
    const value = 'x'.repeat(100_000)
    for (let commit = 0; commit < 30; commit++) {
      await first.db.batch(tx => {
        for (let i = 0; i < 10; i++) tx.object('farms').put(`farm-${commit}-${i}`, { value: `${commit} ${i} ${value}` })
      })
      await first.db.flush()
    }
    const directory = temporaryDirectory()
    let node = await openNode(network, { joins: [first.port], directory })
    await node.db.object('farms').put('mine', {})
    let restarts = 0
    for (; restarts < 20; restarts++) {
      const before = await node.db.object('farms').count()
      const isDone = await eventually(async () => {
        const { main } = await node.db.status()
        if (main !== undefined && main === (await first.db.status()).main) return true
        if ((await node.db.object('farms').count()) <= before) throw new Error('nothing came')
        return false
      })
      if (isDone) break
      const closing = performance.now()
      await node.db.close()
      expect(performance.now() - closing).toBeLessThan(2_000)
      const known = await reopenedCount(directory)
      expect(known).toBeGreaterThan(before)
      node = await openNode(network, { joins: [first.port], directory, port: node.port })
    }
    await settled(first, node)
    expect(restarts).toBeGreaterThan(0)
    expect(await node.db.object('farms').count()).toBe(301)
    expect(await first.db.object('farms').get('mine')).toEqual({})
    fsck(node)
    // Nothing came twice: each object is in one pack.
    const distinct = git(node, 'cat-file', '--batch-all-objects', '--batch-check=%(objectsize)').trim().split('\n')
    const bytes = distinct.reduce((sum, size) => sum + Number(size), 0)
    const [, packKib] = /size-pack: (\d+)/.exec(git(node, 'count-objects', '-v')) ?? []
    expect(Number(packKib) * 1024).toBeLessThan(bytes * 1.25)
  }, 60_000)
})

/** What a node has of the farms while it is alone. */
async function reopenedCount(directory: string): Promise<number> {
  const alone = await openNode(new MemoryNetwork(), { directory })
  const count = await alone.db.object('farms').count()
  await alone.db.close()
  return count
}

describe('a node that goes offline', () => {
  it('in the middle of whatever it does, over and over', async () => {
    const network = new MemoryNetwork()
    const [a, b] = await openCluster(network, 2)
    const over = new AbortController()
    const writing = (async () => {
      for (let i = 0; !over.signal.aborted; i++)
        await a!.db.object('farms').put(`farm-${i % 500}`, { i, padding: 'x'.repeat(2_000) })
    })()
    for (let round = 0; round < 15; round++) {
      const started = performance.now()
      // Both at a time: they take their turns.
      await Promise.all([b!.db.offline(), b!.db.online(), b!.db.online()])
      expect(performance.now() - started).toBeLessThan(3_000)
      await new Promise(resolve => setTimeout(resolve, round * 5))
    }
    over.abort()
    await writing
    await settled(a!, b!)
    fsck(b!)
  })
})
