import { expect, onTestFinished, test, vi } from 'vitest'
import { AtollError } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { MemoryNetwork } from '@atolldb/testkit'
import type { Database } from '../src/index.ts'
import { eventually, openNode, settled } from './replication/nodes.ts'

/** More is written than may wait for a commit, where there can be none: what is said, and that it goes on afterwards. */

const VALUE = new Uint8Array(1_000_000)
const MORE_THAN_WAITS = 60

/** Writes until a write is refused. */
async function fill(db: Database): Promise<unknown> {
  for (let i = 0; i < MORE_THAN_WAITS; i++) {
    const failure: unknown = await db
      .object<Uint8Array>('photos')
      .put(`${i}`, VALUE)
      .then(
        () => undefined,
        (error: unknown) => error,
      )
    if (failure !== undefined) return failure
  }
  return undefined
}

test('a node that never met its cluster refuses what has no room, says so, and takes writes again once it has', async () => {
  const network = new MemoryNetwork()
  const port = 29_999
  const lonely = await openNode(network, { joins: [port] })
  expect((await lonely.db.status()).state).toBe('alone')
  expect(await fill(lonely.db)).toMatchObject({ code: 'NO_CLUSTER' })
  const { state, reason } = await lonely.db.status()
  expect({ state, reason }).toEqual({ state: 'degraded', reason: expect.stringContaining('not met its cluster') })

  const met = await openNode(network, { port })
  await settled(lonely, met)
  await lonely.db.object('photos').put('after', 1)
  expect((await lonely.db.status()).state).not.toBe('degraded')
}, 60_000)

test('writes that wait for room are refused with what sealing fails with, and are taken once it works again', async () => {
  const { db } = await openNode(new MemoryNetwork(), { seal: { maxDelayMs: 60_000 } })
  const stage = vi.spyOn(Repository.prototype, 'stage').mockImplementation(() => {
    throw new AtollError('STORAGE_FULL', 'repo.git: no space left', { path: 'repo.git' })
  })
  onTestFinished(() => stage.mockRestore())
  expect(await fill(db)).toMatchObject({ code: 'STORAGE_FULL' })
  const { state, reason } = await db.status()
  expect({ state, reason }).toEqual({ state: 'degraded', reason: expect.stringContaining('repo.git: no space left') })
  expect(await db.object('photos').get('0')).toEqual(VALUE)

  stage.mockRestore()
  await eventually(() => db.object('photos').put('after', 1))
  await db.flush()
  expect((await db.status()).state).not.toBe('degraded')
}, 60_000)

test('writes that wait for room are refused once the disk failed elsewhere, though a seal is under way', async () => {
  const { db } = await openNode(new MemoryNetwork(), { seal: { maxDelayMs: 60_000 } })
  const failure = new AtollError('STORAGE_FAILED', 'a pack: EIO', { path: 'a pack', reason: 'EIO' })
  let letGo = (): void => undefined
  const held = new Promise<void>(resolve => (letGo = resolve))
  const hanging = vi.spyOn(Repository.prototype, 'updateRef').mockImplementation(async () => {
    await held
    throw failure
  })
  const compact = vi.spyOn(Repository.prototype, 'compact').mockRejectedValue(failure)
  onTestFinished(() => [hanging, compact].forEach(spy => spy.mockRestore()))
  onTestFinished(letGo)
  const filling = fill(db)
  await eventually(async () => expect((await db.status()).pending).toBeGreaterThan(48))
  await expect(db.compact()).rejects.toBe(failure)
  expect(await filling).toBe(failure)
  letGo()
}, 60_000)
