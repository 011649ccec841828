/**
 * A node that writes until it is killed: `node writer.mjs <directory> <log file> <seed>`, then a line on stdin to begin. Before
 * each write it appends what it tries to the log, and after the acknowledgement that it has it: one JSON array a line, in
 * appends that the kernel keeps whatever becomes of us.
 *
 *     ["open"]   ["try", loop, step]   ["ack", loop]
 *     step = { object: id, value | null } | { batch: slot, value } | { insert: value } | { remove: list record id }
 */
import { openSync, writeSync } from 'node:fs'
import { once } from 'node:events'
import { open } from 'atolldb'

const LOOPS = 8
const [directory, logFile, seed] = process.argv.slice(2)
const log = openSync(logFile, 'a')
const say = line => writeSync(log, `${JSON.stringify(line)}\n`)

let state = Number(seed) >>> 0
/** mulberry32: the same numbers for the same seed. */
function random(below) {
  state = (state + 0x6d2b79f5) >>> 0
  let mixed = Math.imul(state ^ (state >>> 15), state | 1)
  mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
  return ((mixed ^ (mixed >>> 14)) >>> 0) % below
}

process.stdout.write('loaded\n')
await once(process.stdin, 'data')
const db = await open(directory, { seal: { maxDelayMs: 50 }, lockWaitMs: 10_000 })
say(['open'])
const objects = db.object('objects')
const list = db.list('list')

await Promise.all(Array.from({ length: LOOPS }, (_, loop) => write(loop)))

async function write(loop) {
  const ids = []
  for (let n = 0; ; n++) {
    const value = `${seed}.${loop}.${n}.${'x'.repeat(random(200))}`
    const step = nextStep(loop, value, ids)
    say(['try', loop, step])
    const id = await perform(loop, step)
    if (id !== undefined) ids.push(id)
    say(['ack', loop])
    if (random(200) === 0) await db.flush()
  }
}

function nextStep(loop, value, ids) {
  const dice = random(10)
  if (dice < 3) return { object: `${loop}/${random(40)}`, value: random(5) === 0 ? null : value }
  if (dice < 7) return { batch: `${loop}/${random(10)}`, value }
  if (dice < 9 || ids.length === 0) return { insert: value }
  return { remove: ids.splice(random(ids.length), 1)[0] }
}

async function perform(loop, step) {
  if (step.object !== undefined) {
    if (step.value === null) await objects.delete(step.object)
    else await objects.put(step.object, step.value)
  } else if (step.batch !== undefined) {
    await db.batch(tx => {
      for (const part of ['a', 'b', 'c']) tx.object('batches').put(`${step.batch}/${part}`, step.value)
    })
  } else if (step.insert !== undefined) return list.insert(step.insert)
  else await list.delete(step.remove)
}
