/**
 * Writes, seals and compacts once, and is killed on the way: `node killed-writer.mjs <directory> <log file>`. Each id that was
 * acknowledged is a line of the log, in an append that the kernel keeps whatever becomes of us.
 */
import { openSync, writeSync } from 'node:fs'
import { open } from 'atolldb'

const [directory, logFile] = process.argv.slice(2)
const log = openSync(logFile, 'a')
const db = await open(directory)
for (let round = 0; round < 3; round++) {
  await Promise.all(Array.from({ length: 5 }, (_, i) => put(`${round}.${i}`)))
  await db.flush()
}
await db.compact()
await put('last')
await db.close()
writeSync(log, 'done\n')

async function put(id) {
  await db.object('farms').put(id, `of ${id}`)
  writeSync(log, `${id}\n`)
}
