import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { Worker } from 'node:worker_threads'
import { MemoryNetwork } from '@atolldb/testkit'
import { expect, onTestFinished, test } from 'vitest'
import type * as Library from 'atolldb'
import { eventually } from '../../packages/db/test/replication/nodes.ts'

/**
 * Merge scripts that mean no good, in the threads of nodes. (That they come to the same end everywhere is a test of the gate.)
 * Scripts in a thread of their own need a file that Node can load, so this is the built package's.
 */
const { open } = (await import(new URL('../../packages/db/dist/index.js', import.meta.url).href)) as typeof Library

async function openNode(network: MemoryNetwork, port: number, ...joins: number[]): Promise<Library.Database> {
  const bootstrap = joins.map(other => `/memory/${other}`)
  const transport = network.createTransport({ listen: [`/memory/${port}`], bootstrap })
  const db = await open('./unused', { storage: 'memory', name: `node-${port}`, bootstrap, transport })
  onTestFinished(() => db.close())
  return db
}

async function inOneCommit(a: Library.Database, b: Library.Database): Promise<void> {
  await eventually(async () => {
    const statuses = [await a.status(), await b.status()]
    expect(statuses.map(({ pending }) => pending)).toEqual([0, 0])
    expect(statuses[0]?.main).toBe(statuses[1]?.main)
  }, 60_000)
}

const memoryProgram = fileURLToPath(new URL('../memory/script-bombs.mjs', import.meta.url))

test('a thread that is killed decides nothing: both nodes come to what the limit of steps says, in one commit', async () => {
  const network = new MemoryNetwork()
  const [a, b] = [await openNode(network, 1), await openNode(network, 2, 1)]
  await a.scripts.put('endless', '() => { for (;;); }')
  await a.configure('farms', { policy: 'script:endless' })
  await a.object('farms').put('north', { crop: 'rye' })
  await inOneCommit(a, b)
  await Promise.all([a.offline(), b.offline()])
  await a.object('farms').put('north', { crop: 'oats' })
  await b.object('farms').put('north', { crop: 'hay' })
  await Promise.all([a.flush(), b.flush()])

  let killed = 0
  const kill = (thread: Worker): void => {
    // It was made for the question that waits for it.
    if (killed++ < 2) thread.once('online', () => void thread.terminate())
  }
  process.on('worker', kill)
  onTestFinished(() => void process.off('worker', kill))
  await Promise.all([a.online(), b.online()])
  await eventually(() => expect(killed).toBeGreaterThanOrEqual(2), 60_000)
  // They try again when they hear of it again, at the latest by the clock: half a minute.
  await a.offline()
  await a.online()
  await inOneCommit(a, b)
  expect(killed).toBeGreaterThan(2)
  for (const db of [a, b]) {
    const conflict = await db.conflicts().get({ collection: 'farms', id: 'north' })
    expect(conflict).toMatchObject({ contested: true, reason: 'script-limits' })
    expect(await db.object('farms').get('north')).toEqual(conflict!.chosen)
  }
}, 90_000)

/** A machine is 32 MiB; the one before, and the one before that, may not have been collected yet. */
const MOST_MB = 3 * 32

test('scripts that allocate without end add no more to the process than the machines of three of them', async () => {
  const { stdout } = await promisify(execFile)(process.execPath, [memoryProgram])
  const { baseMb, peakMb, failures } = JSON.parse(stdout) as { baseMb: number; peakMb: number; failures: string[] }
  expect(new Set(failures)).toEqual(new Set(['limits']))
  expect(peakMb - baseMb, stdout).toBeLessThan(MOST_MB)
}, 60_000)
