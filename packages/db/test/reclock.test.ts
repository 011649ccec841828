import { cpSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryNetwork } from '@atolldb/testkit'
import { describe, expect, test } from 'vitest'
import { diagnose, open, reclock, repair } from '../src/index.ts'
import { eventually, fsck, git, openNode, records, settled, TestClock, type TestNode } from './replication/nodes.ts'
import { temporaryDirectory } from './temporary.ts'

const YEAR_MS = 365 * 24 * 60 * 60 * 1000

/** A node on which it is 2099, in step with one on which it is not. */
async function pair(network: MemoryNetwork): Promise<{ sane: TestNode; ahead: TestNode; clock: TestClock }> {
  const sane = await openNode(network)
  const clock = new TestClock()
  const ahead = await openNode(network, { joins: [sane.port], environment: clock })
  await settled(sane, ahead)
  await sane.db.object('farms').put('old', { crop: 'rye', area: 1 })
  await sane.db.list('readings').insert({ t: 0 })
  await settled(sane, ahead)
  clock.turn(73 * YEAR_MS)
  return { sane, ahead, clock }
}

/** Opened again with a clock that is right, under the id that it signs by. */
async function reopened(network: MemoryNetwork, node: TestNode, joins: readonly number[]): Promise<TestNode> {
  return openNode(network, { directory: node.directory, port: node.port, joins, self: node.db.node })
}

function oldCommits(node: Pick<TestNode, 'directory'>): string[] {
  return git(node, 'for-each-ref', '--format=%(objectname)', 'refs/atoll/before-reclock/').trim().split('\n')
}

/** Those that it made itself, the oldest first. */
async function commitsOf({ db }: TestNode): Promise<string[]> {
  const own: string[] = []
  for await (const { commit, author } of db.log()) if (author.node === db.node) own.push(commit)
  return own.toReversed()
}

async function latestTime({ db }: TestNode): Promise<number> {
  for await (const { time } of db.log({ limit: 1 })) return time.getTime()
  throw new Error('no commit')
}

describe('reclock', () => {
  test('what everybody held back is sealed again, and both come to one main with all of it', async () => {
    const network = new MemoryNetwork()
    const { sane, ahead } = await pair(network)
    const { db } = ahead
    await db.object('farms').put('mine', { crop: 'oats' })
    await db.flush()
    await db.object('farms').patch('old', { area: 2 })
    await db.object('farms').put('gone', 1)
    await db.flush()
    await sane.db.object('farms').put('theirs', { crop: 'peas' })
    await eventually(async () => expect(await db.object('farms').has('theirs')).toBe(true))
    // Upon a merge of what is ahead and what is not.
    await db.object('farms').delete('gone')
    const [line] = await keys(db.list('readings').keys())
    await db.list('readings').delete(line!)
    const inserted = await db.list('readings').insert({ t: 1 })
    await db.flush()
    // Gossip from so far ahead is dropped; the exchange of heads at a new connection is not.
    await db.offline()
    await db.online()
    const own = await commitsOf(ahead)
    await eventually(async () => expect((await sane.db.status()).held).toBe(own.length))
    const expected = await records(db)
    const main = git(ahead, 'rev-parse', 'main').trim()
    await db.close()

    const { resealed, leftOut, ref } = await reclock(ahead.directory)
    expect(resealed.map(({ from }) => from)).toEqual(own)
    expect(leftOut).toEqual([])
    expect(git(ahead, 'rev-parse', ref!).trim()).toBe(main)
    expect(oldCommits(ahead)).toEqual([main])
    fsck(ahead)
    expect((await diagnose(ahead.directory)).findings).toEqual([])

    const mended = await reopened(network, ahead, [sane.port])
    expect(await records(mended.db)).toEqual(expected)
    await settled(sane, mended)
    expect(await records(sane.db)).toEqual(expected)
    expect(expected).toMatchObject({
      'objects/farms/old': { crop: 'rye', area: 2 },
      [`lists/readings/${inserted}`]: { t: 1 },
    })
    expect(expected).not.toHaveProperty('objects/farms/gone')
    expect((await sane.db.status()).conflicts).toBe(0)
    // Its own clock fell back, and what it writes now is held by nobody.
    await mended.db.object('farms').put('new', {})
    await settled(sane, mended)
    expect(await latestTime(sane)).toBeLessThan(Date.now() + 60_000)
    // The old commits are waited for no more, once it told its heads again.
    await mended.db.offline()
    await mended.db.online()
    await eventually(async () => expect((await sane.db.status()).held).toBe(0))
    fsck(sane)
  })

  test('what was concurrent stays concurrent, and is listed as the conflict that it is', async () => {
    const network = new MemoryNetwork()
    const { sane, ahead } = await pair(network)
    await ahead.db.offline()
    await sane.db.object('farms').put('old', { crop: 'peas', area: 1 })
    await ahead.db.object('farms').put('old', { crop: 'oats', area: 1 })
    await ahead.db.online()
    await eventually(async () => expect((await ahead.db.status()).conflicts).toBe(1))
    await ahead.db.close()
    await reclock(ahead.directory)
    const mended = await reopened(network, ahead, [sane.port])
    await settled(sane, mended)
    expect(await sane.db.object('farms').get('old')).toEqual({ crop: 'oats', area: 1 })
    expect((await sane.db.status()).conflicts).toBe(1)
    // What has seen the conflict settles it, also when it is sealed again.
    expect((await mended.db.status()).conflicts).toBe(1)
  })

  test('a conflict that was settled while the clock was ahead stays settled', async () => {
    const network = new MemoryNetwork()
    const { sane, ahead } = await pair(network)
    await ahead.db.offline()
    await sane.db.object('farms').put('old', { crop: 'peas', area: 1 })
    await ahead.db.object('farms').put('old', { crop: 'oats', area: 1 })
    await ahead.db.online()
    await eventually(async () => expect((await ahead.db.status()).conflicts).toBe(1))
    await ahead.db.object('farms').put('old', { crop: 'oats', area: 1 })
    expect((await ahead.db.status()).conflicts).toBe(0)
    await ahead.db.close()
    await reclock(ahead.directory)
    const mended = await reopened(network, ahead, [sane.port])
    await settled(sane, mended)
    expect(await sane.db.object('farms').get('old')).toEqual({ crop: 'oats', area: 1 })
    expect((await sane.db.status()).conflicts).toBe(0)
  })

  test('what only the journal has is sealed as well', async () => {
    const network = new MemoryNetwork()
    const { sane, ahead } = await pair(network)
    await ahead.db.close()
    const clock = new TestClock()
    clock.turn(73 * YEAR_MS)
    const db = await open(ahead.directory, { environment: clock, seal: { maxDelayMs: 600_000 } })
    await db.object('farms').put('pending', 1)
    // In the same turn of the loop, before it can be sealed.
    const directory = join(temporaryDirectory(), 'data')
    cpSync(ahead.directory, directory, { recursive: true })
    await db.close()
    expect((await reclock(directory)).resealed).toHaveLength(1)
    const mended = await reopened(network, { ...ahead, directory }, [sane.port])
    await settled(sane, mended)
    expect(await sane.db.object('farms').get('pending')).toBe(1)
  })

  test('does nothing where nothing is ahead, and is done once', async () => {
    const network = new MemoryNetwork()
    const { ahead } = await pair(network)
    await ahead.db.object('farms').put('mine', 1)
    await ahead.db.close()
    expect((await reclock(ahead.directory)).resealed).toHaveLength(1)
    const main = git(ahead, 'rev-parse', 'main').trim()
    expect(await reclock(ahead.directory)).toEqual({ main, resealed: [], leftOut: [], ref: undefined })
    expect(git(ahead, 'rev-parse', 'main').trim()).toBe(main)
  })

  test('leaves commits of another node that is ahead only where it is told to; both come back to one main', async () => {
    const network = new MemoryNetwork()
    const { sane, ahead, clock } = await pair(network)
    const other = await openNode(network, { joins: [sane.port], environment: clock })
    await settled(ahead, other)
    await other.db.object('farms').put('other', 1)
    await settled(ahead, other)
    await ahead.db.object('farms').put('mine', 1)
    await settled(ahead, other)
    await Promise.all([ahead.db.close(), other.db.close()])
    await expect(reclock(ahead.directory)).rejects.toMatchObject({ code: 'INVALID', message: /--without-others/ })
    for (const { directory } of [ahead, other]) {
      const { resealed, leftOut } = await reclock(directory, { withoutOthers: true })
      expect([resealed.length, leftOut.length]).toEqual([1, 1])
    }
    const mended = [await reopened(network, ahead, [sane.port]), await reopened(network, other, [sane.port])]
    await settled(sane, ...mended)
    expect(await sane.db.object('farms').getMany(['mine', 'other'])).toEqual([1, 1])
    for (const node of mended) fsck(node)
  })

  test('refuses a wall clock that cannot be right, a cluster that was founded ahead, and what is no node', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const clock = new TestClock()
    clock.turn(73 * YEAR_MS)
    await (await open(directory, { environment: clock })).close()
    await expect(reclock(directory, { nowMs: () => 1_000 })).rejects.toMatchObject({
      code: 'INVALID',
      data: { what: 'wall clock' },
    })
    await expect(reclock(directory)).rejects.toMatchObject({ code: 'INVALID', message: /founded/ })
    const nowhere = join(temporaryDirectory(), 'nowhere')
    await expect(reclock(nowhere)).rejects.toMatchObject({ code: 'MISSING' })
    const db = await open(directory)
    await expect(reclock(directory, { lockWaitMs: 0 })).rejects.toMatchObject({ code: 'LOCKED' })
    await db.close()
  })

  test('a repair that has to look for main brings no commit back that was replaced', async () => {
    const network = new MemoryNetwork()
    const { ahead } = await pair(network)
    await ahead.db.object('farms').put('mine', 1)
    await ahead.db.close()
    const { main } = await reclock(ahead.directory)
    git(ahead, 'update-ref', '-d', 'refs/heads/main')
    await repair(ahead.directory)
    expect(git(ahead, 'rev-parse', 'main').trim()).toBe(main)
    expect(readdirSync(join(ahead.directory, 'repo.git/refs/atoll'))).not.toContain('heads')
  })
})

async function keys(ids: AsyncIterable<string>): Promise<string[]> {
  const all: string[] = []
  for await (const id of ids) all.push(id)
  return all
}
