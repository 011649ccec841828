import { chmodSync, cpSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Database, open } from '../src/index.ts'
import { temporaryDirectory } from './temporary.ts'

export const FARMS = 20

/** The directory of a closed node: three commits of Objects and a List besides the root. */
export async function filledDirectory(): Promise<{ directory: string }> {
  const directory = join(temporaryDirectory(), 'data')
  await (await openFilled(directory)).close()
  return { directory }
}

/**
 * The same as a crash leaves it: with two changes besides that only the journal has, the second of which vouches for the
 * first.
 */
export async function fillWithPending(directory: string): Promise<void> {
  const running = `${directory}-running`
  // LevelDB makes tables of its log when it is opened again.
  await (await openFilled(running)).close()
  const db = await open(running, { seal: { maxDelayMs: 600_000 } })
  await db.object('farms').put('pending', { crop: 'peas' })
  await db.object('farms').put('last', { crop: 'corn' })
  // In the same turn of the loop, before it can be sealed.
  cpSync(running, directory, { recursive: true })
  await db.close()
}

async function openFilled(directory: string): Promise<Database> {
  const db = await open(directory, { name: 'barn', seal: { maxDelayMs: 600_000 } })
  await db.batch(async tx => {
    for (let i = 0; i < FARMS; i++) tx.object('farms').put(`farm-${i}`, { number: i, crop: 'rye' })
  })
  await db.flush()
  await db.batch(async tx => {
    for (let i = 0; i < 10; i++) tx.list('readings').insert({ t: i })
  })
  await db.flush()
  await db.object('farms').put('farm-0', { number: 0, crop: 'oats' })
  await db.flush()
  return db
}

/** Rewrites a file, byte by byte as it was but for the change. */
export function harm(path: string, change: (text: string) => string): void {
  chmodSync(path, 0o644)
  writeFileSync(path, change(readFileSync(path, 'latin1')), 'latin1')
}
