import {
  appendFileSync,
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test, vi } from 'vitest'
import { Journal, type JournalOptions } from '../src/journal/journal.ts'
import { openJournalFile } from '../src/journal/segments.ts'
import { append, clockOf, commitOf, deleteOf, putOf } from './entries.ts'
import { FaultyFiles } from './faulty-files.ts'
import { temporaryDirectory } from './temporary.ts'

const main = commitOf(1)

async function openJournal(directory: string, options: Partial<JournalOptions> = {}) {
  const opened = await Journal.open(directory, { durability: 'sync', onAbandon: () => undefined, ...options })
  return { ...opened, ids: opened.content.entries.map(entry => entry.changes.map(({ id }) => id).join('+')) }
}

async function reopened(directory: string): Promise<{ ids: string[]; sealedSequence: number; lastSequence: number }> {
  const { journal, content, ids } = await openJournal(directory)
  await journal.close()
  return { ids, sealedSequence: content.sealedSequence, lastSequence: journal.lastSequence }
}

function put(journal: Journal, id: string, size = 10): Promise<void> {
  return append(journal, main, clockOf(1), [putOf(id, 'x'.repeat(size))])
}

function segments(directory: string): string[] {
  return readdirSync(directory)
    .filter(name => name.endsWith('.log'))
    .toSorted()
    .map(name => join(directory, name))
}

const newest = (directory: string): string => segments(directory).at(-1)!

/** Length of the newest segment without the zeros written ahead. */
const writtenBytes = (directory: string): number =>
  readFileSync(newest(directory)).findLastIndex(byte => byte !== 0) + 1

function flipByte(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at < 0 ? bytes.length + at : at]! ^= 0x40
  writeFileSync(path, bytes)
}

describe('the journal', () => {
  test('gives back what was appended, byte for byte and in order', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    const binary = { ...putOf('📦 é/%', null), content: { format: 'bytes', bytes: Buffer.of(0, 255, 1) } } as const
    await Promise.all([
      append(journal, undefined, clockOf(1), [putOf('', { a: 1 })]),
      append(journal, main, clockOf(2), [binary, deleteOf('gone')]),
      append(journal, main, clockOf(3), [putOf('x'.repeat(512), 'long')]),
    ])
    await journal.close()
    const again = await openJournal(directory)
    await again.journal.close()
    expect(again.content).toEqual({
      sealedSequence: 0,
      entries: [
        { sequence: 1, main: undefined, clock: clockOf(1), changes: [putOf('', { a: 1 })] },
        { sequence: 2, main, clock: clockOf(2), changes: [binary, deleteOf('gone')] },
        { sequence: 3, main, clock: clockOf(3), changes: [putOf('x'.repeat(512), 'long')] },
      ],
    })
  })

  test('writers of one moment share one sync', async () => {
    const files = new FaultyFiles()
    const { journal } = await openJournal(temporaryDirectory(), { openFile: files.open })
    await Promise.all(Array.from({ length: 500 }, (_, i) => put(journal, `${i}`)))
    expect(files.counts).toMatchObject({ datasync: 1, write: 2 })
    await journal.close()
  })

  test('a note of a seal is neither kept waiting by a stream of writers, nor keeps them', async () => {
    const { journal } = await openJournal(temporaryDirectory())
    const noted = new AbortController()
    let writes = 0
    const write = async (): Promise<void> => {
      while (!noted.signal.aborted && writes++ < 5_000) await put(journal, 'k')
    }
    const streams = [write(), write(), write()]
    await put(journal, 'first')
    await journal.sealed(1, main).then(() => noted.abort())
    await Promise.all(streams)
    expect(writes).toBeLessThan(1_000)
    await journal.close()
  })

  test('what waits without writing anything is told when the writes before it are durable, or are not', async () => {
    const files = new FaultyFiles()
    const { journal } = await openJournal(temporaryDirectory(), { openFile: files.open })
    const order: string[] = []
    await Promise.all([
      put(journal, 'a').then(() => order.push('written')),
      journal.settled().then(() => order.push('settled')),
    ])
    expect(order).toEqual(['written', 'settled'])
    files.fault = operation => (operation === 'write' ? { code: 'ENOSPC' } : undefined)
    const write = put(journal, 'b')
    await expect(journal.settled()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await expect(write).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await journal.close()
  })

  test('refuses what comes after close', async () => {
    const { journal } = await openJournal(temporaryDirectory())
    await journal.close()
    await expect(put(journal, 'late')).rejects.toMatchObject({ code: 'CLOSED' })
  })
})

describe('a full disk', () => {
  test.each([0, 1, 9, 60])('cuts a failed append back after %i bytes; the next one works', async bytes => {
    const directory = temporaryDirectory()
    const files = new FaultyFiles()
    const onAbandon = vi.fn()
    const { journal } = await openJournal(directory, { openFile: files.open, onAbandon })
    await put(journal, 'kept')
    const good = writtenBytes(directory)
    files.fault = operation => (operation === 'write' ? { code: 'ENOSPC', bytes } : undefined)
    const failed = put(journal, 'lost')
    await expect(failed).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    expect(onAbandon).toHaveBeenCalledTimes(1)
    expect(readFileSync(newest(directory))).toHaveLength(good)
    expect(journal.lastSequence).toBe(1)
    files.fault = () => undefined
    await put(journal, 'after')
    await journal.close()
    expect(await reopened(directory)).toMatchObject({ ids: ['kept', 'after'], lastSequence: 2 })
  })

  test('fails those who came after the failed group too: they may have seen it', async () => {
    const directory = temporaryDirectory()
    const files = new FaultyFiles()
    const { journal } = await openJournal(directory, { openFile: files.open })
    let later: Promise<void> | undefined
    files.fault = operation => {
      if (operation !== 'write') return undefined
      later ??= put(journal, 'upon it')
      return { code: 'ENOSPC' }
    }
    await expect(put(journal, 'lost')).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await expect(later).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    files.fault = () => undefined
    await put(journal, 'after')
    await journal.close()
    expect((await reopened(directory)).ids).toEqual(['after'])
  })

  test('at a rotation keeps the old segment going', async () => {
    const directory = temporaryDirectory()
    const files = new FaultyFiles()
    const { journal } = await openJournal(directory, { openFile: files.open, rotateBytes: 1_000 })
    await put(journal, 'a', 2_000)
    files.fault = (operation, path) =>
      operation === 'write' && path !== segments(directory)[0] ? { code: 'ENOSPC', bytes: 7 } : undefined
    await journal.sealed(1, main)
    expect(segments(directory)).toHaveLength(1)
    await put(journal, 'b')
    files.fault = () => undefined
    await journal.sealed(2, main)
    expect(segments(directory)).toHaveLength(1)
    await put(journal, 'c')
    await journal.close()
    expect(await reopened(directory)).toEqual({ ids: ['c'], sealedSequence: 2, lastSequence: 3 })
  })
})

describe('a rotation', () => {
  /** Ten entries, sealed: more than a segment holds. */
  async function rotated(files: FaultyFiles): Promise<{ directory: string; journal: Journal }> {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { openFile: files.open, rotateBytes: 1_000, roomBytes: 0 })
    for (let i = 1; i <= 10; i++) await put(journal, `${i}`, 200)
    await journal.sealed(10, main)
    return { directory, journal }
  }

  test('leaves a segment that says by itself why there is none before it, however little fits behind its header', async () => {
    const files = new FaultyFiles()
    const begun = new Set<string>()
    files.fault = (operation, path) => {
      if (operation !== 'write' || path.endsWith('01.log')) return undefined
      if (begun.has(path)) return { code: 'ENOSPC' }
      begun.add(path)
      return undefined
    }
    const { directory, journal } = await rotated(files)
    expect(begun.size).toBe(1)
    await journal.close()
    expect(await reopened(directory)).toEqual({ ids: [], sealedSequence: 10, lastSequence: 10 })
  })

  test.each(['open', 'sync'] as const)(
    'that cannot %s a file for want of a descriptor waits for the next',
    async at => {
      const files = new FaultyFiles()
      // The first segment is opened as the journal is; nothing of it is synced again before it is too large.
      files.fault = (operation, path) => (operation === at && !path.endsWith('01.log') ? { code: 'EMFILE' } : undefined)
      const { directory, journal } = await rotated(files)
      expect(journal.failure).toBeUndefined()
      expect(segments(directory)).toHaveLength(1)
      await put(journal, '11')
      files.fault = () => undefined
      await journal.sealed(11, main)
      expect(segments(directory).map(path => path.slice(-6))).toEqual(['12.log'])
      await journal.close()
      expect(await reopened(directory)).toEqual({ ids: [], sealedSequence: 11, lastSequence: 11 })
    },
  )

  test('whose file is there, and then cannot be opened to its end, leaves nothing of it', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, {
      rotateBytes: 1_000,
      openFile: async (path, flags) => {
        const file = await openJournalFile(path, flags)
        if (path.endsWith('01.log')) return file
        // As where the second of two descriptors is not to be had.
        await file.close()
        throw Object.assign(new Error('EMFILE: injected'), { code: 'EMFILE', errno: -24 })
      },
    })
    await put(journal, 'a', 2_000)
    await journal.sealed(1, main)
    await put(journal, 'b')
    // A kill: the zeros behind the last frame stay.
    const killed = temporaryDirectory()
    cpSync(directory, killed, { recursive: true })
    await journal.close()
    expect((await reopened(killed)).ids).toEqual(['a', 'b'])
  })

  test('whose sync fails ends writing', async () => {
    const files = new FaultyFiles()
    files.fault = (operation, path) => (operation === 'sync' && !path.endsWith('01.log') ? { code: 'EIO' } : undefined)
    const { directory, journal } = await rotated(files)
    expect(journal.failure).toMatchObject({ code: 'STORAGE_FAILED' })
    await journal.close()
    expect(await reopened(directory)).toMatchObject({ sealedSequence: 10, lastSequence: 10 })
  })

  test('takes the latest note along, not one that comes late', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    for (let i = 1; i <= 10; i++) await put(journal, `${i}`, 200)
    await journal.sealed(10, main)
    await journal.close()
    const again = await openJournal(directory, { rotateBytes: 100 })
    await again.journal.sealed(5, main)
    await again.journal.close()
    expect(await reopened(directory)).toMatchObject({ sealedSequence: 10, lastSequence: 10 })
  })
})

describe('zeros written ahead', () => {
  const sizeBytes = (directory: string): number => readFileSync(newest(directory)).length

  test('let small appends leave the size of the file as it is, and go when it is closed', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { roomBytes: 10_000 })
    const sizes: number[] = []
    for (let i = 0; i < 150; i++) {
      await put(journal, `${i}`)
      sizes.push(sizeBytes(directory))
    }
    expect(new Set(sizes).size).toBe(2)
    await put(journal, 'large', 30_000)
    const end = sizeBytes(directory)
    await journal.close()
    expect(sizeBytes(directory)).toBe(end)
    expect((await reopened(directory)).ids).toHaveLength(151)
  })

  test('are none with durability `os`, nor behind large appends', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { roomBytes: 10_000, durability: 'os' })
    await put(journal, 'a')
    expect(sizeBytes(directory)).toBeLessThan(1_000)
    await journal.close()
    const { journal: synced } = await openJournal(directory, { roomBytes: 10_000 })
    await put(synced, 'b', 1_000)
    expect(sizeBytes(directory)).toBeLessThan(2_000)
    await synced.close()
  })

  test('are an end, and the next append follows the last frame', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { roomBytes: 10_000 })
    await put(journal, 'a')
    await put(journal, 'b')
    const killed = readFileSync(newest(directory))
    await journal.close()
    const trimmed = sizeBytes(directory)
    writeFileSync(newest(directory), killed)
    const again = await openJournal(directory)
    expect(again.ids).toEqual(['a', 'b'])
    expect(sizeBytes(directory)).toBe(trimmed)
    await put(again.journal, 'c')
    await again.journal.close()
    expect((await reopened(directory)).ids).toEqual(['a', 'b', 'c'])
  })

  test('hide no damage: what a frame behind it vouches for is CORRUPT, zeroed or flipped', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { roomBytes: 10_000 })
    await put(journal, 'a')
    await put(journal, 'b')
    const killed = readFileSync(newest(directory))
    await journal.close()
    for (const damage of [killed.with(30, killed[30]! ^ 1), Buffer.from(killed).fill(0, 16, 60)]) {
      writeFileSync(newest(directory), damage)
      await expect(openJournal(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
    }
  })

  test('with a part of a frame among them are a torn append', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { roomBytes: 10_000 })
    await put(journal, 'kept')
    const before = readFileSync(newest(directory))
    const good = writtenBytes(directory)
    await put(journal, 'torn', 300)
    const after = readFileSync(newest(directory))
    await journal.close()
    for (let reached = good + 1; reached < good + 300; reached += 7) {
      const torn = Buffer.concat([after.subarray(0, reached), before.subarray(reached)])
      writeFileSync(newest(directory), torn)
      expect((await reopened(directory)).ids).toEqual(['kept'])
    }
  })

  test('are left out where the disk has space for the append alone', async () => {
    const directory = temporaryDirectory()
    const files = new FaultyFiles()
    const { journal } = await openJournal(directory, { openFile: files.open, roomBytes: 10_000 })
    files.fault = operation =>
      operation === 'write' && files.counts.write === 2 ? { code: 'ENOSPC', bytes: 4_000 } : undefined
    await put(journal, 'a')
    await put(journal, 'b')
    expect(journal.failure).toBeUndefined()
    expect(sizeBytes(directory)).toBeLessThan(1_000)
    await journal.close()
    expect((await reopened(directory)).ids).toEqual(['a', 'b'])
  })

  test('are cut off before the next segment begins, durably', async () => {
    const directory = temporaryDirectory()
    const files = new FaultyFiles()
    const options = { rotateBytes: 500, roomBytes: 10_000, openFile: files.open }
    const { journal } = await openJournal(directory, options)
    for (let i = 1; i <= 30; i++) await put(journal, `${i}`)
    await journal.sealed(1, main)
    expect(segments(directory)).toHaveLength(2)
    files.losePower(directory, () => 0.99)
    expect(await reopened(directory)).toMatchObject({ sealedSequence: 1, lastSequence: 30 })
    await journal.close()
  })
})

describe('a disk that fails', () => {
  test('a failed sync is never acknowledged, and nothing is written behind it', async () => {
    const directory = temporaryDirectory()
    const files = new FaultyFiles()
    const { journal } = await openJournal(directory, { openFile: files.open })
    await put(journal, 'kept')
    files.fault = operation => (operation === 'datasync' ? { code: 'EIO' } : undefined)
    await expect(put(journal, 'unknown')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    files.fault = () => undefined
    await expect(put(journal, 'later')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(journal.failure).toMatchObject({ code: 'STORAGE_FAILED' })
    const before = readFileSync(newest(directory))
    await journal.sealed(1, main)
    await expect(journal.sync()).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await journal.close()
    expect(readFileSync(newest(directory))).toEqual(before)
    expect((await reopened(directory)).ids[0]).toBe('kept')
  })

  test('a write that fails for another reason than room ends writing', async () => {
    const files = new FaultyFiles()
    const { journal } = await openJournal(temporaryDirectory(), { openFile: files.open })
    files.fault = operation => (operation === 'write' ? { code: 'EIO' } : undefined)
    await expect(put(journal, 'a')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    files.fault = () => undefined
    await expect(put(journal, 'b')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    await journal.close()
  })

  test('a full disk that cannot be cut back either ends writing', async () => {
    const files = new FaultyFiles()
    const { journal } = await openJournal(temporaryDirectory(), { openFile: files.open })
    files.fault = operation =>
      operation === 'write' ? { code: 'ENOSPC', bytes: 3 } : operation === 'truncate' ? { code: 'EIO' } : undefined
    await expect(put(journal, 'a')).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect(journal.failure).toBeDefined()
    await journal.close()
  })

  test('what a failed sync left is written anew before anything vouches for it', async () => {
    const directory = temporaryDirectory()
    // As the system's pages, these outlive the journal.
    const files = new FaultyFiles(directory, false)
    const { journal } = await openJournal(directory, { openFile: files.open })
    await put(journal, 'a')
    files.fault = operation => (operation === 'datasync' ? { code: 'EIO' } : undefined)
    await expect(put(journal, 'b', 2_000)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    files.fault = () => undefined
    await journal.close()
    const restarted = await openJournal(directory, { openFile: files.open })
    await put(restarted.journal, 'c')
    files.losePower(directory, () => 0.9)
    expect((await reopened(directory)).ids).toEqual([...restarted.ids, 'c'])
    await restarted.journal.close()
  })

  test('errors of opening are told by code', async () => {
    const directory = temporaryDirectory()
    const files = new FaultyFiles()
    files.fault = operation => (operation === 'sync' ? { code: 'ENOSPC' } : undefined)
    await expect(openJournal(directory, { openFile: files.open })).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    expect(segments(directory)).toEqual([])
    await expect(openJournal(join(directory, 'nowhere'))).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
    mkdirSync(join(directory, '0000000000000001.log'))
    await expect(openJournal(directory)).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
  })
})

describe('segments', () => {
  test('go when all in them is sealed, and their numbers go on', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { rotateBytes: 5_000 })
    for (let i = 1; i <= 30; i++) {
      await put(journal, `${i}`, 1_000)
      if (i % 3 === 0) await journal.sealed(i - 1, main)
      if (i % 5 === 0) await journal.sealed(i, main)
    }
    expect(segments(directory).length).toBeLessThan(3)
    await put(journal, '31')
    await journal.close()
    const { ids, lastSequence, sealedSequence } = await reopened(directory)
    expect({ last: ids.at(-1), lastSequence, sealedSequence }).toEqual({
      last: '31',
      lastSequence: 31,
      sealedSequence: 30,
    })
  })

  test('a rotation under a stream of writers loses and repeats no number', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { rotateBytes: 2_000 })
    let acknowledged = 0
    const stream = async (name: string): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        await put(journal, `${name}${i}`, 300)
        if (++acknowledged % 4 === 0) await journal.sealed(acknowledged - 3, main)
      }
    }
    await Promise.all(['a', 'b', 'c', 'd'].map(stream))
    await journal.close()
    const { ids, lastSequence, sealedSequence } = await reopened(directory)
    expect(lastSequence).toBe(240)
    expect(ids.length).toBeGreaterThanOrEqual(lastSequence - sealedSequence)
  })

  test('are whole, and their absence is explained, whenever the power goes', async () => {
    for (const durability of ['sync', 'os'] as const) {
      const directory = temporaryDirectory()
      const files = new FaultyFiles()
      const { journal } = await openJournal(directory, { rotateBytes: 500, openFile: files.open, durability })
      for (let i = 1; i <= 12; i++) await put(journal, `${i}`, 1_000)
      await journal.sealed(1, main)
      expect(segments(directory)).toHaveLength(2)
      const image = temporaryDirectory()
      cpSync(directory, image, { recursive: true })
      // Nothing of the older segment was lost, although nobody had asked for it to be synced.
      files.losePower(image, () => 0.99, directory)
      expect(await reopened(image)).toMatchObject({ sealedSequence: 1, lastSequence: 12 })
      await put(journal, '13')
      await journal.sealed(13, main)
      expect(segments(directory)).toHaveLength(1)
      files.losePower(directory, () => 0.99)
      expect(await reopened(directory)).toMatchObject({ sealedSequence: 13, lastSequence: 13 })
      await journal.close()
    }
  })

  test('one that is missing is CORRUPT, at the beginning as in the middle', async () => {
    for (const missing of [0, 1]) {
      const directory = temporaryDirectory()
      const { journal } = await openJournal(directory, { rotateBytes: 500 })
      for (let i = 1; i <= 12; i++) await put(journal, `${i}`, 1_000)
      await journal.sealed(1, main)
      for (let i = 13; i <= 24; i++) await put(journal, `${i}`, 1_000)
      await journal.sealed(2, main)
      await put(journal, '25')
      await journal.close()
      expect(segments(directory)).toHaveLength(3)
      rmSync(segments(directory)[missing]!)
      await expect(openJournal(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
    }
  })

  test('one whose creation was cut short is as if it had never been', async () => {
    for (const leftover of [Buffer.alloc(0), Buffer.from('ATOLLJ1\n'), Buffer.alloc(16), Buffer.alloc(57)]) {
      const directory = temporaryDirectory()
      const { journal } = await openJournal(directory)
      await put(journal, 'a')
      await journal.close()
      writeFileSync(join(directory, '0000000000000002.log'), leftover)
      expect(await reopened(directory)).toMatchObject({ ids: ['a'], lastSequence: 1 })
      expect(segments(directory)).toHaveLength(1)
    }
  })
})

describe('damage', () => {
  async function written(count: number): Promise<string> {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    for (let i = 1; i <= count; i++) {
      await put(journal, `${i}`, 20)
      // A lone write is sealed, and its note not synced, before the next one comes.
      await journal.sealed(i, main)
    }
    await put(journal, 'last')
    await journal.close()
    return directory
  }

  test('a torn tail is cut off at every byte, and what was before is whole', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    await put(journal, 'kept')
    const good = writtenBytes(directory)
    await put(journal, 'torn')
    await journal.close()
    const whole = readFileSync(newest(directory))
    for (let length = good; length < whole.length; length++) {
      truncateSync(newest(directory), length)
      expect((await reopened(directory)).ids).toEqual(['kept'])
      expect(readFileSync(newest(directory))).toHaveLength(good)
      writeFileSync(newest(directory), whole)
    }
    appendFileSync(newest(directory), Buffer.alloc(5_000))
    expect((await reopened(directory)).ids).toEqual(['kept', 'torn'])
  })

  test('every flipped byte in front of the last frame is CORRUPT, and changes nothing', async () => {
    const directory = await written(2)
    const whole = readFileSync(newest(directory))
    const { ids } = await reopened(directory)
    expect(ids).toEqual(['1', '2', 'last'])
    // The last frame, and the note that was not synced when it was written, have no witness.
    const lastFrameBytes = 8 + 37 + 12 + 3 + 6 + 2 + 'last'.length + 4 + '""'.length + 10
    const noteBytes = 8 + 33
    let silent = 0
    for (let at = 0; at < whole.length - lastFrameBytes - noteBytes; at++) {
      flipByte(newest(directory), at)
      const damaged = readFileSync(newest(directory))
      const error: unknown = await openJournal(directory).then(
        async ({ journal }) => {
          await journal.close()
          return undefined
        },
        (reason: unknown) => reason,
      )
      if (error === undefined) silent++
      else expect(error).toMatchObject({ code: 'CORRUPT' })
      if (error !== undefined) expect(readFileSync(newest(directory))).toEqual(damaged)
      writeFileSync(newest(directory), whole)
    }
    expect(silent).toBe(0)
  })

  test('a torn group of several frames is no damage', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory)
    await put(journal, 'kept')
    const good = writtenBytes(directory)
    await Promise.all([
      append(journal, commitOf(2), clockOf(2), [putOf('a', 1)]),
      append(journal, commitOf(3), clockOf(3), [putOf('b', 2)]),
    ])
    await journal.close()
    // The first frame's sector did not reach the disk, the second one's did.
    flipByte(newest(directory), good + 20)
    expect((await reopened(directory)).ids).toEqual(['kept'])
  })

  test('a torn note in front of an intact one is no damage either', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { durability: 'os' })
    await put(journal, '1')
    await put(journal, '2')
    const good = writtenBytes(directory)
    await journal.sealed(1, main)
    await journal.sealed(2, main)
    await journal.close()
    flipByte(newest(directory), good + 10)
    expect(await reopened(directory)).toMatchObject({ ids: ['1', '2'], sealedSequence: 0 })
  })

  test('in a segment that is not the last is CORRUPT even at its end', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { rotateBytes: 500 })
    for (let i = 1; i <= 12; i++) await put(journal, `${i}`, 1_000)
    await journal.sealed(1, main)
    await put(journal, '13')
    await journal.close()
    flipByte(segments(directory)[0]!, -1)
    await expect(openJournal(directory)).rejects.toMatchObject({
      code: 'CORRUPT',
      data: { file: segments(directory)[0] },
    })
  })

  test('of the header of the only segment is CORRUPT, since its note is nowhere else', async () => {
    const directory = temporaryDirectory()
    const { journal } = await openJournal(directory, { rotateBytes: 500 })
    await put(journal, '1', 1_000)
    await journal.sealed(1, main)
    await journal.close()
    expect(readFileSync(newest(directory))).toHaveLength(57)
    flipByte(newest(directory), 3)
    await expect(openJournal(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
  })

  test('a file that is no segment is CORRUPT', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, '0000000000000001.log'), 'not a journal at all, but long enough')
    await expect(openJournal(directory)).rejects.toMatchObject({ code: 'CORRUPT' })
  })
})

describe('notes of seals', () => {
  test('are durable before anything of others is adopted, and in a row but for the last', async () => {
    for (const durability of ['sync', 'os'] as const) {
      const directory = temporaryDirectory()
      const files = new FaultyFiles()
      const { journal } = await openJournal(directory, { openFile: files.open, durability })
      await Promise.all([put(journal, '1'), put(journal, '2'), put(journal, '3')])
      await journal.sync()
      const before = files.counts.datasync
      await journal.sealed(1, main)
      await journal.sealed(3, main)
      expect(files.counts.datasync - before).toBe(durability === 'sync' ? 1 : 0)
      await journal.sync()
      files.losePower(directory, () => 0.99)
      expect((await reopened(directory)).sealedSequence).toBe(3)
      await journal.close()
    }
  })

  test('that found no room are written by the next sync, or it fails', async () => {
    for (const durability of ['sync', 'os'] as const) {
      const directory = temporaryDirectory()
      const files = new FaultyFiles()
      const { journal } = await openJournal(directory, { openFile: files.open, durability })
      await put(journal, '1')
      await put(journal, '2')
      files.fault = operation => (operation === 'write' ? { code: 'ENOSPC', bytes: 5 } : undefined)
      await journal.sealed(2, main)
      await expect(journal.sync()).rejects.toMatchObject({ code: 'STORAGE_FULL' })
      expect((await journal.read()).sealedSequence).toBe(0)
      files.fault = () => undefined
      await journal.sync()
      expect((await journal.read()).sealedSequence).toBe(2)
      files.losePower(directory, () => 0.99)
      expect(await reopened(directory)).toMatchObject({ ids: ['1', '2'], sealedSequence: 2 })
      await journal.close()
    }
  })

  test('read again while it is in use', async () => {
    const { journal } = await openJournal(temporaryDirectory())
    await Promise.all([put(journal, '1'), put(journal, '2')])
    await journal.sealed(1, main)
    const late = put(journal, '3')
    const { entries, sealedSequence } = await journal.read()
    expect(entries.length).toBeGreaterThanOrEqual(2)
    expect(sealedSequence).toBe(1)
    await late
    await journal.close()
  })
})
