import { beforeEach, describe, expect, it, onTestFinished } from 'vitest'
import { type Database, type ListCollection, open } from '../src/index.ts'
import { fsck, openCluster, settled } from './replication/nodes.ts'
import { MemoryNetwork } from '@atolldb/testkit'

const id = '01j0000000000000000000000a'
const other = '01j0000000000000000000000b'

let db: Database
let readings: ListCollection<unknown>

beforeEach(async () => {
  db = await open('unused', { storage: 'memory', seal: { maxDelayMs: 60_000 } })
  const opened = db
  onTestFinished(() => opened.close())
  readings = db.list<unknown>('readings')
})

describe('restore', () => {
  it('puts a record back under its id, in either case, and once', async () => {
    await readings.restore(id.toUpperCase(), { t: 1 })
    const { commit } = await db.flush()
    await readings.restore(id, { t: 1 })
    await db.batch(tx => tx.list<unknown>('readings').restore(id, { t: 1 }))
    expect(await readings.get(id)).toEqual({ t: 1 })
    expect((await db.flush()).commit).toBe(commit)
  })

  it('changes no record', async () => {
    await readings.restore(id, 1)
    await expect(readings.restore(id, 2)).rejects.toMatchObject({
      code: 'EXISTS',
      data: { collection: 'readings', id },
    })
    const within = db.batch(tx => tx.list<unknown>('readings').restore(id, 2))
    await expect(within).rejects.toMatchObject({ code: 'EXISTS' })
    // In one commit a line would change.
    const both = db.batch(async tx => {
      tx.list('readings').delete(id)
      await tx.list<unknown>('readings').restore(id, 2)
    })
    await expect(both).rejects.toMatchObject({ code: 'EXISTS' })
    const twice = db.batch(async tx => {
      await tx.list<unknown>('readings').restore(other, 1)
      await tx.list<unknown>('readings').restore(other, 2)
    })
    await expect(twice).rejects.toMatchObject({ code: 'EXISTS' })
    expect([await readings.get(id), await readings.count()]).toEqual([1, 1])
  })

  it.each(['', 'north', '81j0000000000000000000000a'])('refuses the id %j', async bad => {
    await expect(readings.restore(bad, 1)).rejects.toMatchObject({ code: 'INVALID' })
  })

  it('puts another value where one was deleted, in a commit of its own: peers take it', async () => {
    const [first, second] = await openCluster(new MemoryNetwork(), 2)
    const list = first!.db.list<unknown>('readings')
    await list.restore(id, 1)
    await settled(first!, second!)
    // In one turn, so that both wait for the same seal.
    await Promise.all([list.delete(id), list.restore(id, 2)])
    await settled(first!, second!)
    expect(await second!.db.list('readings').get(id)).toBe(2)
    expect(second!.db.peers().map(({ error }) => error)).toEqual([undefined])
    fsck(second!)
  })
})
