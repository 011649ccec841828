/**
 * One node of the test of repositories larger than memory, in a process of its own: `node worker.mjs <role> <directory>
 * <records> [bootstrap]`. Its last line is the most memory of its own that it had, in bytes; pages of files, which the system takes back
 * when it needs them, do not count.
 *
 *     load   writes records that nothing can compress, reads them again in every way, compacts
 *     serve  offers them; its first line is its address, and it ends with its standard input
 *     sync   fetches them all, and looks at some
 */
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { open } from 'atolldb'

const RECORD_BYTES = 64 * 1024
const IN_FLIGHT = 64
const [role, directory, count, bootstrap] = process.argv.slice(2)
const records = Number(count)

const SAMPLE_MS = 20
let peakBytes = 0
/** Linux tells what is anonymous; elsewhere all that is resident counts. */
function sample() {
  let bytes = process.memoryUsage.rss()
  if (process.platform === 'linux')
    bytes = Number(/^RssAnon:\s+(\d+) kB$/m.exec(readFileSync('/proc/self/status', 'utf8'))[1]) * 1024
  peakBytes = Math.max(peakBytes, bytes)
}
setInterval(sample, SAMPLE_MS).unref()

const idOf = number => `blob-${String(number).padStart(6, '0')}`

/** The same bytes for a number every time, as good as random. */
function bytesOf(number) {
  const blocks = []
  for (let block = 0; block < RECORD_BYTES / 64; block++)
    blocks.push(createHash('sha512').update(`${number} ${block}`).digest())
  return Buffer.concat(blocks)
}

async function check(blobs, number) {
  const bytes = await blobs.get(idOf(number))
  if (bytes === undefined || Buffer.compare(bytes, bytesOf(number)) !== 0)
    throw new Error(`${idOf(number)} is not what it was`)
}

async function load() {
  const db = await open(directory)
  const blobs = db.object('blobs')
  for (let first = 0; first < records; first += IN_FLIGHT) {
    const puts = []
    for (let number = first; number < Math.min(first + IN_FLIGHT, records); number++)
      puts.push(blobs.put(idOf(number), bytesOf(number)))
    await Promise.all(puts)
  }
  await db.flush()
  await db.compact({})
  for (let number = 0; number < records; number += 7) await check(blobs, number)
  let found = 0
  for await (const [id] of blobs.entries()) if (id === idOf(found)) found++
  if (found !== records) throw new Error(`${found} of ${records} records in the range`)
  await db.close()
}

async function serve() {
  const db = await open(directory, { listen: ['/ip4/127.0.0.1/tcp/0'] })
  const { addresses } = await db.status()
  process.stdout.write(`${addresses[0]}\n`)
  process.stdin.resume()
  await once(process.stdin, 'end')
  await db.close()
}

async function sync() {
  const db = await open(directory, { listen: ['/ip4/127.0.0.1/tcp/0'], bootstrap: [bootstrap] })
  const blobs = db.object('blobs')
  while ((await blobs.count()) < records) await db.synced({ peers: 1, timeout: 600_000 })
  for (let number = 0; number < records; number += 7) await check(blobs, number)
  await db.close()
}

await { load, serve, sync }[role]()
sample()
process.stdout.write(`${peakBytes}\n`, () => process.exit(0))
