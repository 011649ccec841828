import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ChangeList, ChangeLists, CommitGraph, type CommitId, type RecordRef, recordKey } from '@atolldb/core'
import { Repository } from '@atolldb/git'
import { MemoryNetwork } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import { ChangeLog } from '../src/engine/change-log.ts'
import { openCluster, settled, type TestNode } from './replication/nodes.ts'
import { temporaryDirectory } from './temporary.ts'

const commit = (n: number): CommitId => n.toString(16).padStart(40, '0') as CommitId
const version = (n: number): never => n.toString(16).padStart(40, 'a') as never

function listOf(...changes: { ref: RecordRef; before?: unknown; after?: unknown }[]): ChangeList {
  return new Map(
    changes.map(({ ref, before, after }) => [recordKey(ref), { ref, before: before as never, after: after as never }]),
  )
}

const ref = (kind: 'objects' | 'lists', collection: string, id: string): RecordRef => ({
  kind,
  collection: collection as never,
  id: id as never,
})

const line = Buffer.from('{"t":21.5}')
const various = listOf(
  { ref: ref('objects', 'farms', ''), after: { format: 'json', version: version(1) } },
  { ref: ref('objects', 'farms', 'é\u{1f33e}'.repeat(80)), before: { format: 'bytes', version: version(2) } },
  {
    ref: ref('objects', '.atoll.settings', 'north/1'),
    before: { format: 'json', version: version(3) },
    after: { format: 'bytes', version: version(4) },
  },
  { ref: ref('lists', 'farms', '01j'), after: { format: 'json', version: version(5), bytes: line } },
  { ref: ref('lists', 'farms', '01k'), before: { format: 'json', version: version(6), bytes: line } },
)

it('gives back what was noted, after a restart too', async () => {
  const path = join(temporaryDirectory(), 'changes')
  const log = new ChangeLog(path)
  log.note(commit(1), various)
  log.note(commit(2), listOf())
  expect(await log.read(commit(1))).toEqual(various)
  for (const opened of [log, new ChangeLog(path)]) {
    expect([...(await opened.read(commit(1)))!]).toEqual([...various])
    expect(await opened.read(commit(2))).toEqual(listOf())
    expect(await opened.read(commit(3))).toBeUndefined()
  }
})

it('finds lists of any length again after a restart, wherever in the file they begin', async () => {
  const path = join(temporaryDirectory(), 'changes')
  const log = new ChangeLog(path)
  const lists = Array.from({ length: 60 }, (_none, n) =>
    listOf(
      ...Array.from({ length: n % 7 === 0 ? 3000 : n * 9 }, (_change, i) => ({
        ref: ref('objects', 'farms', `${n}-${i}`),
        after: { format: 'json', version: version(i) },
      })),
    ),
  )
  for (const [n, list] of lists.entries()) log.note(commit(n), list)
  await log.close()
  expect(readFileSync(join(path, '00000001.log')).length).toBeGreaterThan(1_000_000)
  const opened = new ChangeLog(path)
  for (const [n, list] of lists.entries()) expect((await opened.read(commit(n)))?.size).toBe(list.size)
})

it('keeps the newest files only, and forgets what the others had', async () => {
  const path = join(temporaryDirectory(), 'changes')
  const limits = { fileBytes: 1, files: 3 }
  let log = new ChangeLog(path, limits)
  for (let n = 1; n <= 4; n++) log.note(commit(n), various)
  expect(await log.read(commit(1))).toBeUndefined()
  expect(await log.read(commit(2))).toEqual(various)
  log = new ChangeLog(path, limits)
  log.note(commit(5), various)
  expect(await log.read(commit(2))).toBeUndefined()
  expect(await log.read(commit(3))).toEqual(various)
  expect(readdirSync(path)).toEqual(['00000003.log', '00000004.log', '00000005.log'])
})

it('has nothing where a file is damaged or torn, and goes on in a new one', async () => {
  const path = join(temporaryDirectory(), 'changes')
  const written = new ChangeLog(path)
  written.note(commit(1), various)
  written.note(commit(2), various)
  await written.close()
  const file = join(path, '00000001.log')
  const bytes = readFileSync(file)
  for (let at = 0; at < bytes.length; at += 7) {
    const damaged = Buffer.from(bytes)
    damaged[at]! ^= 1 << (at % 8)
    writeFileSync(file, damaged)
    const log = new ChangeLog(path)
    for (const id of [commit(1), commit(2)]) expect([various, undefined]).toContainEqual(await log.read(id))
  }
  for (let end = 0; end < bytes.length; end += 11) {
    writeFileSync(file, bytes.subarray(0, end))
    rmSync(join(path, '00000002.log'), { force: true })
    const log = new ChangeLog(path)
    log.note(commit(3), various)
    expect(await log.read(commit(3))).toEqual(various)
    expect(await log.read(commit(2))).toBeUndefined()
  }
})

it('a directory that cannot be written to is as if nothing had been noted', async () => {
  const path = join(temporaryDirectory(), 'changes')
  writeFileSync(path, 'in the way')
  const log = new ChangeLog(path)
  log.note(commit(1), various)
  expect(await log.read(commit(1))).toBeUndefined()
  await log.close()
})

it('has of what a node sealed and took from others what the trees say', async () => {
  const [a, b] = (await openCluster(new MemoryNetwork(), 2)) as [TestNode, TestNode]
  for (const { db } of [a, b]) await db.object('farms').put('north', { by: db.name })
  await settled(a, b)
  const reading = await b.db.list('readings').insert({ t: 1 })
  await b.db.object('farms').put('north', (await b.db.object('farms').get('north'))!)
  await settled(a, b)
  await a.db.list('readings').delete(reading)
  await a.db.object('farms').delete('north')
  await a.db.flush()
  const commits: string[] = []
  for await (const entry of a.db.log()) commits.push(entry.commit)
  await Promise.all([a.db.close(), b.db.close()])

  for (const { directory } of [a, b]) {
    const repository = await Repository.open(join(directory, 'repo.git'))
    const graph = new CommitGraph(repository)
    const computed = new ChangeLists(graph, repository)
    const log = new ChangeLog(join(directory, 'changes'))
    let found = 0
    for (const id of commits as CommitId[]) {
      const kept = await log.read(id)
      if (kept === undefined) continue
      found++
      const expected = await computed.of(await graph.dataNode(id))
      expect(new Map([...kept].sort())).toEqual(new Map([...expected].sort()))
    }
    expect(found).toBeGreaterThanOrEqual(2)
    await repository.close()
  }
})
