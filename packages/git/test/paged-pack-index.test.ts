import { createHash, randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { assert, type ObjectId } from '@atolldb/core'
import { describe, expect, it, onTestFinished } from 'vitest'
import { WindowedFiles } from '../src/files/windowed-files.ts'
import { encodePackIndex } from '../src/packs/encode-pack-index.ts'
import { MemoryPackIndex, PagedPackIndex } from '../src/packs/pack-index.ts'
import { temporaryDirectory } from './fixtures.ts'

const COUNT = 20_000

function hashed(number: number): Buffer {
  return createHash('sha1').update(`object ${number}`).digest()
}

/** As nobody can make by hashing: all of them share their beginning, and lie where nobody would look first. */
function crowded(number: number): Buffer {
  const id = hashed(number)
  id.writeUInt32BE(0x42_00_00_00 + (number % 7))
  return id
}

/** Of one half the first three bytes are the least, of the other half the greatest. */
function torn(number: number): Buffer {
  const id = hashed(number)
  id.writeUInt32BE(number % 2 === 0 ? 0x42_00_00_00 : 0x42_ff_ff_ff)
  return id
}

async function indexOf(idOf: (number: number) => Buffer): Promise<{ paged: PagedPackIndex; memory: MemoryPackIndex }> {
  const ids = Buffer.concat(Array.from({ length: COUNT }, (_none, number) => idOf(number)))
  const offsets = Float64Array.from({ length: COUNT }, (_none, number) => 12 + number * 20)
  const bytes = encodePackIndex({ count: COUNT, ids, crcs: new Uint32Array(COUNT), offsets }, randomBytes(20))
  assert(bytes !== undefined, 'the ids are distinct')
  const path = join(temporaryDirectory(), 'pack.idx')
  writeFileSync(path, bytes)
  const files = new WindowedFiles(8 * 1024 * 1024)
  onTestFinished(() => files.close())
  return { paged: await PagedPackIndex.open(files.file(path, bytes.length)), memory: new MemoryPackIndex(bytes) }
}

describe.each([
  ['hashes', hashed],
  ['crowded', crowded],
  ['torn apart', torn],
])('an index read in windows, whose ids are %s', (_name, idOf) => {
  const wanted = (number: number): ObjectId => idOf(number).toString('hex') as ObjectId

  it('finds what it has, and nothing else, as one in memory does', async () => {
    const { paged, memory } = await indexOf(idOf)
    for (let number = 0; number < COUNT; number += 41)
      expect(await paged.find(wanted(number))).toBe(memory.find(wanted(number)))
    for (let number = COUNT; number < COUNT + 200; number++) expect(await paged.find(wanted(number))).toBeUndefined()
    for (const edge of ['0', 'f', '42000000', '42ffffff'])
      for (const rest of ['0', 'f'])
        expect(await paged.find(edge.padEnd(40, rest) as ObjectId)).toBe(memory.find(edge.padEnd(40, rest) as ObjectId))
  })

  it('says nothing wrong of what is at hand', async () => {
    const { paged, memory } = await indexOf(idOf)
    let known = 0
    for (let number = 0; number < COUNT + 200; number += 7) {
      if (number % 2 === 0) await paged.find(wanted(number))
      const atHand = paged.findAtHand(wanted(number))
      if (atHand === 'unknown') continue
      known++
      expect(atHand).toBe(memory.find(wanted(number)))
    }
    if (idOf === hashed) expect(known).toBeGreaterThan(2_000)
  })
})
