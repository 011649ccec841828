/**
 * One of many processes that write through a node's door: `node door-writer.mjs <url> <token> <increments>`. It increments a
 * counter that others increment too, rewrites a record of two equal halves, and reads that; prints how many halves differed.
 */
import { createClient } from '@atolldb/client'

const [url, token, increments] = process.argv.slice(2)
const records = createClient({ url, token }).object('shared')
let torn = 0
for (let n = 0; n < Number(increments); n++) {
  await increment()
  const half = `${process.pid}.${n} `.repeat(500)
  await records.put('halves', { left: half, right: half })
  const { left, right } = await records.get('halves')
  if (left !== right) torn++
}
process.stdout.write(`${torn}\n`)

async function increment() {
  for (;;) {
    const { value, version } = await records.getRecord('counter')
    try {
      await records.update('counter', value + 1, { ifVersion: version })
      return
    } catch (error) {
      if (error.code !== 'CONFLICT') throw error
    }
  }
}
