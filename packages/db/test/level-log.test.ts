import { readdirSync, readFileSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { describe, expect, test } from 'vitest'
import { open } from '../src/index.ts'
import { lacksWrites } from '../src/view/level-log.ts'
import { temporaryDirectory } from './temporary.ts'

const RECORDS = 1_000
const BLOCK_BYTES = 32 * 1024

function logOf(directory: string): string {
  return join(
    directory,
    readdirSync(directory).find(name => name.endsWith('.log'))!,
  )
}

function flip(file: string, share: number): void {
  const bytes = readFileSync(file)
  bytes[Math.floor(bytes.length * share)]! ^= 4
  writeFileSync(file, bytes)
}

/** A LevelDB with each record put and synced by itself. Some fill a block of its log to a few bytes before the end. */
async function levelOf(records: number): Promise<string> {
  const directory = join(temporaryDirectory(), 'level')
  const level = new ClassicLevel(directory)
  for (let i = 0; i < records; i++) await level.put(`key-${i}`, 'x'.repeat(100 + (i % 57)), { sync: true })
  await level.close()
  return directory
}

describe('LevelDB, which the view must not trust', () => {
  test('drops what a flipped bit of its log damaged, and what lay beside it, without an error', async () => {
    const directory = await levelOf(RECORDS)
    flip(logOf(directory), 0.3)
    const level = new ClassicLevel(directory)
    const keys = await level.keys().all()
    await level.close()
    expect(keys.length).toBeLessThan(RECORDS)
    expect(keys).toContain(`key-${RECORDS - 1}`)
  })
})

describe('the logs of a LevelDB', () => {
  test('lack nothing where they are as it left them, or cut off anywhere', async () => {
    const directory = await levelOf(RECORDS)
    expect(await lacksWrites(directory)).toBe(false)
    expect(await lacksWrites(join(directory, 'nowhere'))).toBe(false)
    const file = logOf(directory)
    const whole = readFileSync(file)
    for (let length = whole.length - 1; length > 0; length -= 997) {
      truncateSync(file, length)
      expect(await lacksWrites(directory)).toBe(false)
    }
    writeFileSync(file, Buffer.concat([whole, Buffer.alloc(5_000)]))
    expect(await lacksWrites(directory)).toBe(false)
  })

  test('lack something after any flipped bit, and where sectors are blank in the middle', async () => {
    const directory = await levelOf(800)
    const file = logOf(directory)
    const whole = readFileSync(file)
    // In the last block a bit of a length may make it look cut off, to LevelDB too.
    for (let at = 3; at < whole.length - BLOCK_BYTES; at += 1_117) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1 << (at % 8)
      writeFileSync(file, bytes)
      expect({ at, lacks: await lacksWrites(directory) }).toEqual({ at, lacks: true })
    }
    for (const at of [0, BLOCK_BYTES - 512, BLOCK_BYTES]) {
      writeFileSync(file, Buffer.from(whole).fill(0, at, at + 512))
      expect(await lacksWrites(directory)).toBe(true)
    }
    // A block that is gone without a trace: only the sequence numbers tell.
    writeFileSync(file, Buffer.concat([whole.subarray(0, BLOCK_BYTES), whole.subarray(2 * BLOCK_BYTES)]))
    expect(await lacksWrites(directory)).toBe(true)
  })
})

describe('a node whose view lost the middle of its log', () => {
  test('has every record when it is opened again', async () => {
    const directory = join(temporaryDirectory(), 'data')
    const first = await open(directory, { durability: 'os' })
    for (let i = 0; i < RECORDS; i += 50) {
      const puts = Array.from({ length: 50 }, (_, k) => first.object('farms').put(`${i + k}`, 'x'.repeat(100)))
      await Promise.all(puts)
      // Into the view, in a batch of its own.
      await first.object('farms').count()
    }
    await first.close()
    flip(logOf(join(directory, 'view')), 0.4)
    const db = await open(directory)
    const ids = Array.from({ length: RECORDS }, (_, i) => `${i}`)
    expect((await db.object('farms').getMany(ids)).filter(value => value === undefined)).toEqual([])
    expect(await db.object('farms').count()).toBe(RECORDS)
    await db.close()
  })
})
