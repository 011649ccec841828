import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { expect, test } from 'vitest'
import { hasDamagedTable } from '../src/view/level-table.ts'
import { temporaryDirectory } from './temporary.ts'

/** A LevelDB whose records are in tables, compressed and not. */
async function tablesOf(compression: boolean): Promise<{ directory: string; tables: string[] }> {
  const directory = join(temporaryDirectory(), 'level')
  const level = new ClassicLevel(directory, { compression, writeBufferSize: 64 * 1024 })
  for (let i = 0; i < 3_000; i++) await level.put(`key-${i}`, `value ${i} `.repeat(1 + (i % 20)))
  await level.compactRange('', '\xff')
  await level.close()
  const tables = readdirSync(directory)
    .filter(name => name.endsWith('.ldb'))
    .map(name => join(directory, name))
  return { directory, tables }
}

/** Why the tables are verified: nothing else would tell. */
test('LevelDB gives wrong values, or none, where a bit of its table is flipped, and says nothing', async () => {
  const { directory, tables } = await tablesOf(false)
  const whole = readFileSync(tables[0]!)
  let unnoticed = 0
  for (let at = 1_000; at < whole.length - 4_096 && unnoticed === 0; at += Math.ceil(whole.length / 14)) {
    const bytes = Buffer.from(whole)
    bytes[at]! ^= 1
    writeFileSync(tables[0]!, bytes)
    const level = new ClassicLevel(directory)
    try {
      for (let i = 0; i < 3_000; i++)
        if ((await level.get(`key-${i}`)) !== `value ${i} `.repeat(1 + (i % 20))) unnoticed++
    } catch {
      // This one it noticed.
    }
    await level.close()
  }
  expect(unnoticed).toBeGreaterThan(0)
})

test.each([true, false])(
  'tables are whole as LevelDB leaves them, and no flipped bit goes unseen (Snappy: %s)',
  async compression => {
    const { directory, tables } = await tablesOf(compression)
    expect(tables.length).toBeGreaterThan(0)
    expect(await hasDamagedTable(directory, Infinity)).toBe(false)
    expect(await hasDamagedTable(join(directory, 'nowhere'), Infinity)).toBe(false)
    const [table] = tables
    const whole = readFileSync(table!)
    const step = Math.ceil(whole.length / 150)
    for (let at = 0; at < whole.length - 48; at += step) {
      const bytes = Buffer.from(whole)
      bytes[at]! ^= 1 << (at % 8)
      writeFileSync(table!, bytes)
      expect(await hasDamagedTable(directory, Infinity), `byte ${at}`).toBe(true)
    }
    // Without its footer it was never finished: LevelDB says what it misses.
    writeFileSync(table!, whole.subarray(0, -1))
    expect(await hasDamagedTable(directory, Infinity)).toBe(false)
  },
)
