/**
 * Measures one store with records of one size, in a process of its own: `node run.mjs <store> <bytes a record> <records> <directory>`.
 * Prints one line of JSON: { about, putPerSecond, bulkPerSecond, getPerSecond, replicatePerSecond? }.
 *
 * Every kind of work is given up to `mostMs`, so that a slow store is measured as well: rates are those of what was done.
 */
import { join } from 'node:path'
import { sizedRecord } from './sized-records.mjs'

const mostMs = 5_000
const [name, size, records, directory] = process.argv.slice(2)
const sizeBytes = Number(size)
const most = Number(records)
const { about, openStore } = await import(`./stores/${name}.mjs`)

const idOf = index => `record-${String(index).padStart(7, '0')}`
const entryOf = index => [idOf(index), sizedRecord(index, sizeBytes)]

const store = await openStore(join(directory, 'store'))
await warmUp()
const puts = await repeated(index => store.put(...entryOf(index)), most)
const bulk = await bulkLoad()
const gets = await repeated(index => found(store, scattered(index)), most)
const replicated = store.replicate === undefined ? undefined : await replicate()
await store.close()
console.log(
  JSON.stringify({
    about,
    putPerSecond: puts.rate,
    bulkPerSecond: bulk.rate,
    getPerSecond: gets.rate,
    replicatePerSecond: replicated,
  }),
)
process.exit(0)

async function warmUp() {
  await repeated(index => store.put(`warm-up-${index}`, sizedRecord(index, sizeBytes)), 20)
}

/** One after the other, each awaited. */
async function repeated(work, count) {
  const startedAt = performance.now()
  let done = 0
  while (done < count && performance.now() - startedAt < mostMs) await work(done++)
  return { done, rate: (done / (performance.now() - startedAt)) * 1000 }
}

/** New records, 1,000 in one go (100 large ones), go after go. */
async function bulkLoad() {
  const chunk = Math.min(most, sizeBytes < 10_000 ? 1_000 : 100)
  const chunks = Array.from({ length: most / chunk }, (_, nth) => chunkFrom(puts.done + nth * chunk, chunk))
  const { done, rate } = await repeated(nth => store.bulk(chunks[nth]), chunks.length)
  return { done: done * chunk, rate: rate * chunk }
}

function chunkFrom(first, count) {
  return Array.from({ length: count }, (_, nth) => entryOf(first + nth))
}

function scattered(index) {
  return (index * 7_919) % (puts.done + bulk.done)
}

async function found(from, index) {
  const value = await from.get(idOf(index))
  if (value?.note !== sizedRecord(index, sizeBytes).note) throw new Error(`${name}: ${idOf(index)} is not what was put`)
}

/** Everything to an empty store, until its last record and some others are found there: records a second. */
async function replicate() {
  const total = puts.done + bulk.done
  const startedAt = performance.now()
  const copy = await store.replicate(join(directory, 'copy'), idOf(total - 1))
  for (let index = 0; index < total; index += Math.ceil(total / 100)) await found(copy, index)
  const ms = performance.now() - startedAt
  await copy.close()
  return (total / ms) * 1000
}
