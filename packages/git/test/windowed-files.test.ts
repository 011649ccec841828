import { randomBytes } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it, onTestFinished } from 'vitest'
import { OpenFiles } from '../src/files/open-files.ts'
import { WindowedFiles } from '../src/files/windowed-files.ts'
import { temporaryDirectory } from './fixtures.ts'

const WINDOW_BYTES = 64 * 1024

/** Counts trips to the disk, and fails as often as it is told to. */
class CountingFiles extends OpenFiles {
  trips = 0
  failures = 0

  constructor() {
    super(4)
  }

  override async read(path: string, position: number, length: number): Promise<Buffer> {
    this.trips++
    if (this.failures-- > 0) throw new Error('a read that fails')
    return super.read(path, position, length)
  }
}

function openCounted(bytes: Buffer) {
  const path = join(temporaryDirectory(), 'file')
  writeFileSync(path, bytes)
  const trips = new CountingFiles()
  const files = new WindowedFiles(16 * WINDOW_BYTES, trips)
  onTestFinished(() => files.close())
  return { trips, file: files.file(path, bytes.length) }
}

it('reads a window once for all who ask for parts of it together', async () => {
  const bytes = randomBytes(2 * WINDOW_BYTES)
  const { trips, file } = openCounted(bytes)
  const positions = Array.from({ length: 100 }, (_none, i) => i * 1_300)
  const parts = await Promise.all(positions.map(position => file.read(position, 100)))
  for (const [i, part] of parts.entries())
    expect(part.equals(bytes.subarray(positions[i], positions[i]! + 100))).toBe(true)
  expect(trips.trips).toBe(2)
})

it('tells all who wait that a read failed, and tries again for who asks next', async () => {
  const bytes = randomBytes(1_000)
  const { trips, file } = openCounted(bytes)
  trips.failures = 1
  const results = await Promise.allSettled([file.read(0, 10), file.read(20, 10)])
  expect(results.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
  expect(file.atHand(0)).toBeUndefined()
  expect((await file.read(20, 10)).equals(bytes.subarray(20, 30))).toBe(true)
  expect(trips.trips).toBe(2)
})
