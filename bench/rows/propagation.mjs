import { open } from 'atolldb'
import { closeSync, fdatasyncSync, openSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { closing, inEmptyDirectory, median } from '../harness.mjs'
import { startPeer } from '../remote-peer.mjs'
import { sooner } from '../results.mjs'
import { idOf, valueOf } from '../values.mjs'

const writes = 20
const warmUpWrites = 2
/** Writes closer together than a second are a stream, which is sealed once a second on purpose. */
const idleMs = 1_200

/**
 * One write on an idle cluster of two, until it is visible on the other node: from the call of `put` there to the event of
 * `subscribe` here, both on the machine's monotonic clock. Bar and goal are some milliseconds plus a multiple of an fsync
 * measured in the same minute; the reference is that sum, so the ratio must stay below 1.
 */
export async function propagation({ directory }) {
  return inEmptyDirectory(directory, async () => {
    const fsyncMs = measureFsync(directory)
    const subject = await closing(await startPeer(join(directory, 'a')), async peer => {
      const bootstrap = await peer.call('addresses')
      const here = join(directory, 'b')
      return closing(await open(here, { name: 'b', listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap }), async db => {
        await db.synced({ peers: 1, timeout: 30_000 })
        return measurePropagation(peer, db)
      })
    })
    // In multiples of the bar, which the machine's fsync decides.
    const bar = 20 + 8 * fsyncMs
    const goal = (10 + 6 * fsyncMs) / bar
    const measures = { subject, reference: bar }
    const title = 'one write, idle cluster, visible on the other node (p50)'
    return [sooner(title, 'ms', measures, `20 ms + 8 × fsync of ${fsyncMs.toFixed(2)} ms`, 1, goal)]
  })
}

async function measurePropagation(peer, db) {
  const sensors = db.object('sensors')
  const delaysMs = []
  await pause(idleMs)
  for (let index = 0; index < warmUpWrites + writes; index++) {
    const arrived = new Promise(resolve => {
      const undo = sensors.subscribe(change => {
        if (change.id !== idOf(index)) return
        undo()
        resolve(process.hrtime.bigint())
      })
    })
    const startedAt = BigInt(await peer.call('put', { key: idOf(index), value: valueOf(index) }))
    const delayMs = Number((await arrived) - startedAt) / 1e6
    if (index >= warmUpWrites) delaysMs.push(delayMs)
    await db.synced({ peers: 1, timeout: 30_000 })
    await pause(idleMs)
  }
  return median(delaysMs)
}

/** The median time of a write of 200 bytes made durable, in milliseconds. */
function measureFsync(directory) {
  const descriptor = openSync(join(directory, 'fsync'), 'a')
  const bytes = new Uint8Array(200)
  const times = Array.from({ length: 100 }, () => {
    const startedAt = performance.now()
    writeSync(descriptor, bytes)
    fdatasyncSync(descriptor)
    return performance.now() - startedAt
  })
  closeSync(descriptor)
  return median(times)
}
