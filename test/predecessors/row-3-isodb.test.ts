import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { MemoryNetwork } from '@atolldb/testkit'
import { allowedSignersLine } from '@atolldb/git'
import { describe, expect, test } from 'vitest'
import { openCluster, records, settled } from '../../packages/db/test/replication/nodes.ts'

/** What isodb promised, an isolated document database on a git-like structure. Named refs are local until there are registers. */

const ZERO = '0'.repeat(40)

async function twoNodes() {
  const [a, b] = await openCluster(new MemoryNetwork(), 2)
  return { a: a!, b: b! }
}

describe('row 3, isodb', () => {
  test('every read can be relative to an immutable commit', async () => {
    const { a } = await twoNodes()
    const farms = a.db.object<string>('farms')
    await farms.put('north', 'rye')
    const { commit } = await a.db.flush()
    const then = await a.db.at(commit)
    await farms.put('north', 'oats')
    await farms.put('south', 'corn')
    await a.db.flush()
    expect(await then.object('farms').get('north')).toBe('rye')
    expect(await then.object('farms').has('south')).toBe(false)
    expect(await (await a.db.at(commit)).object('farms').get('north')).toBe('rye')
  })

  test('many writers make commits of their own, and none waits for another', async () => {
    const { a, b } = await twoNodes()
    await Promise.all([a, b].map(node => node.db.offline()))
    await Promise.all([a, b].map(node => node.db.object('farms').put(node.db.name, 1)))
    const commits = await Promise.all([a, b].map(async node => (await node.db.flush()).commit))
    await Promise.all([a, b].map(node => node.db.online()))
    await settled(a, b)
    for (const commit of commits) expect(await a.db.show(commit)).toMatchObject({ type: 'data' })
  })

  test('a ref is moved by compare-and-swap: zero creates only, a mismatch is an error and moves nothing', async () => {
    const { a } = await twoNodes()
    const commits: string[] = []
    for (const crop of ['rye', 'oats', 'corn']) {
      await a.db.object('farms').put('north', crop)
      commits.push((await a.db.flush()).commit)
    }
    const [rye, oats, corn] = commits as [string, string, string]
    const { refs } = a.db
    await refs.update('harvest', rye, ZERO)
    await expect(refs.update('harvest', oats, ZERO)).rejects.toMatchObject({ code: 'CONFLICT' })
    // What counts is what it names, not what it would.
    await expect(refs.update('harvest', corn, corn)).rejects.toMatchObject({ code: 'CONFLICT' })
    expect(await refs.get('harvest')).toBe(rye)
    await refs.update('harvest', corn, rye)
    expect(await (await a.db.at('harvest')).object('farms').get('north')).toBe('corn')
    const moves = await Promise.allSettled([rye, oats].map(next => refs.update('harvest', next, corn)))
    expect(moves.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected'])
  })

  test('nodes work apart for as long as they like, and agree afterwards', async () => {
    const { a, b } = await twoNodes()
    await Promise.all([a, b].map(node => node.db.offline()))
    for (let day = 0; day < 20; day++)
      for (const { db } of [a, b]) {
        await db.object<object>('farms').put(`${db.name}-${day}`, { day })
        await db.object<object>('farms').put('shared', { [db.name]: day })
        await db.flush()
      }
    await Promise.all([a, b].map(node => node.db.online()))
    await settled(a, b)
    expect(await records(a.db)).toEqual(await records(b.db))
    expect(await a.db.object('farms').count()).toBe(41)
  })

  test('a conflict is resolved by a script that is stored as a record, alike on every node', async () => {
    const { a, b } = await twoNodes()
    await a.db.scripts.put('sum', '(base, versions) => versions.reduce((sum, value) => sum + value - base, base)')
    await a.db.configure('counters', { policy: 'script:sum' })
    const counters = [a, b].map(({ db }) => db.object<number>('counters'))
    await counters[0]!.put('visits', 10)
    await a.db.flush()
    await settled(a, b)
    await Promise.all([a, b].map(node => node.db.offline()))
    await counters[0]!.put('visits', 13)
    await counters[1]!.put('visits', 14)
    await Promise.all([a, b].map(node => node.db.flush()))
    await Promise.all([a, b].map(node => node.db.online()))
    await settled(a, b)
    for (const collection of counters) expect(await collection.get('visits')).toBe(17)
  })

  test('anyone can verify a commit without its author, with stock git', async () => {
    const { a, b } = await twoNodes()
    await a.db.object('farms').put('north', 'rye')
    const { commit } = await a.db.flush()
    await settled(a, b)
    const signers = join(b.directory, 'signers')
    writeFileSync(signers, `${allowedSignersLine(a.db.node, `${a.db.node}@atoll`)}\n`)
    const config = ['-c', 'gpg.format=ssh', '-c', `gpg.ssh.allowedSignersFile=${signers}`]
    execFileSync('git', ['-C', join(b.directory, 'repo.git'), ...config, 'verify-commit', commit], { stdio: 'pipe' })
  })
})
