/**
 * The other node of the networked rows, in a process of its own: `node peer.mjs <directory>`, spoken to over the IPC channel.
 * Each request `{ id, call, ...arguments }` is answered with `{ id, result }` or `{ id, error }`.
 */
import { open } from 'atolldb'
import { load } from './load.mjs'

const [directory] = process.argv.slice(2)
const db = await open(directory, { name: 'peer', listen: ['/ip4/127.0.0.1/tcp/0'] })

const calls = {
  async addresses() {
    return (await db.status()).addresses
  },
  async load({ records }) {
    await load(db, records)
    return (await db.status()).main
  },
  /** Puts one record; answers with when it was asked to, on the machine's monotonic clock in nanoseconds. */
  async put({ key, value }) {
    const startedAt = process.hrtime.bigint()
    await db.object('sensors').put(key, value)
    return String(startedAt)
  },
  async close() {
    await db.close()
    setImmediate(() => process.disconnect())
  },
}

async function answer({ id, call, ...rest }) {
  try {
    process.send({ id, result: await calls[call](rest) })
  } catch (error) {
    process.send({ id, error: error.stack })
  }
}

process.on('message', request => void answer(request))
process.on('disconnect', () => process.exit(0))
process.send({ id: 'ready' })
