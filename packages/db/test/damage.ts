import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { open } from '../src/index.ts'
import { temporaryDirectory } from './temporary.ts'

export const FARMS = 20

/**
 * The directory of a closed node: three commits of Objects and a List besides the root.
 */
export async function filledDirectory(): Promise<{ directory: string }> {
  const directory = join(temporaryDirectory(), 'data')
  const db = await open(directory, { name: 'barn' })
  const farms = db.object('farms')
  await db.batch(async tx => {
    for (let i = 0; i < FARMS; i++) tx.object('farms').put(`farm-${i}`, { number: i, crop: 'rye' })
  })
  await db.flush()
  await db.batch(async tx => {
    for (let i = 0; i < 10; i++) tx.list('readings').insert({ t: i })
  })
  await db.flush()
  await farms.put('farm-0', { number: 0, crop: 'oats' })
  await db.flush()
  await db.close()
  return { directory }
}

/** Rewrites a file, byte by byte as it was but for the change. */
export function harm(path: string, change: (text: string) => string): void {
  chmodSync(path, 0o644)
  writeFileSync(path, change(readFileSync(path, 'latin1')), 'latin1')
}
