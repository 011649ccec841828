/**
 * A node that writes and follows its own feed until it is killed: `node feed-teller.mjs <directory> <log file>`, then a line on
 * stdin to begin: `{ "since": cursor, "next": n }`. It inserts n, n + 1, … into a List and puts each into one of a few records. What
 * it does and is told goes to the log, a JSON array a line, in appends that the kernel keeps whatever becomes of us.
 *
 *     ["open"]   ["try", n]   ["ack", n]   ["told", collection, id, value, cursor]
 */
import { once } from 'node:events'
import { openSync, writeSync } from 'node:fs'
import { open } from 'atolldb'

const RECORDS = 5
const [directory, logFile] = process.argv.slice(2)
const log = openSync(logFile, 'a')
const say = line => writeSync(log, `${JSON.stringify(line)}\n`)

process.stdout.write('loaded\n')
const [line] = await once(process.stdin, 'data')
const { since, next } = JSON.parse(String(line))
// Sealed now and then, so that a kill meets what is told from commits and what is told from the journal.
const db = await open(directory, { seal: { maxDelayMs: 50 }, lockWaitMs: 10_000 })
say(['open'])

await Promise.all([write(), follow()])

async function write() {
  for (let n = next; ; n++) {
    say(['try', n])
    await db.list('numbers').insert(n)
    say(['ack', n])
    await db.object('records').put(String(n % RECORDS), n)
  }
}

async function follow() {
  for await (const { cursor, collection, id, value } of db.changes({ since }))
    say(['told', collection, id, value, cursor])
}
