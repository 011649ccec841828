import fc from 'fast-check'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { Journal } from '../src/journal/journal.ts'
import { append, clockOf, commitOf, putOf } from './entries.ts'
import { FaultyFiles } from './faulty-files.ts'

/** One life of a journal: what is done until the power goes, or the process is killed. */
type Step =
  | { readonly type: 'append'; readonly entries: readonly { readonly main: number; readonly size: number }[] }
  | { readonly type: 'seal'; readonly share: number }
  | { readonly type: 'full'; readonly bytes: number }
  | { readonly type: 'sync' }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      type: fc.constant('append' as const),
      entries: fc.array(fc.record({ main: fc.nat(2), size: fc.nat(700) }), { minLength: 1, maxLength: 6 }),
    }),
  },
  {
    weight: 3,
    arbitrary: fc.record({ type: fc.constant('seal' as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('full' as const), bytes: fc.nat(900) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('sync' as const) }) },
)
interface Life {
  /** Zeros that are written ahead. */
  readonly roomBytes: number
  readonly steps: readonly Step[]
  readonly end: 'kill' | 'power' | 'close'
  /** Entries under way when it ends. */
  readonly lastEntries: number
  readonly random: readonly number[]
}

const life: fc.Arbitrary<Life> = fc.record({
  roomBytes: fc.constantFrom(0, 6_000, 40_000),
  steps: fc.array(step, { maxLength: 12 }),
  end: fc.constantFrom('kill' as const, 'power' as const, 'close' as const),
  lastEntries: fc.nat(4),
  random: fc.array(fc.double({ min: 0, max: 0.999, noNaN: true }), { minLength: 1, maxLength: 20 }),
})

test('whatever ends it, an opened journal has every acknowledged entry, whole and in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(life, { minLength: 1, maxLength: 4 }), async lives => {
      const directory = mkdtempSync(join(tmpdir(), 'atoll-journal-'))
      try {
        const history = new History()
        // What the system shows of a file outlives a killed process, and ends with the power.
        let files = new FaultyFiles(directory)
        for (const each of lives) {
          await live(directory, files, each, history)
          if (each.end !== 'kill') files = new FaultyFiles(directory)
        }
      } finally {
        rmSync(directory, { recursive: true, force: true })
      }
    }),
    { numRuns: 150 },
  )
}, 60_000)

/** What the journal is known to hold, from outside. */
class History {
  /** Ids by sequence number, from 1; those after `acknowledged` may be there or not. */
  ids: string[] = []
  acknowledged = 0
  sealed = 0
  #next = 0

  newId(): string {
    return `${this.#next++}`
  }
}

async function live(
  directory: string,
  files: FaultyFiles,
  { roomBytes, steps, end, lastEntries, random }: Life,
  history: History,
): Promise<void> {
  const { journal, content } = await Journal.open(directory, {
    durability: 'sync',
    onAbandon: () => undefined,
    rotateBytes: 2_000,
    roomBytes,
    openFile: files.open,
  })
  check(content.entries, content.sealedSequence, journal.lastSequence, history)
  const appendNext = (main: number, size: number): { id: string; done: Promise<void> } => {
    const id = history.newId()
    return { id, done: append(journal, commitOf(main), clockOf(1), [putOf(id, 'x'.repeat(size))]) }
  }
  for (const each of steps) {
    if (each.type === 'append' || each.type === 'full') {
      if (each.type === 'full')
        files.fault = operation => (operation === 'write' ? { code: 'ENOSPC', bytes: each.bytes } : undefined)
      const entries = each.type === 'full' ? [{ main: 1, size: 800 }] : each.entries
      const appended = entries.map(({ main, size }) => appendNext(main, size))
      const results = await Promise.allSettled(appended.map(({ done }) => done))
      files.fault = () => undefined
      expect(new Set(results.map(({ status }) => status)).size).toBe(1)
      if (results[0]?.status !== 'fulfilled') continue
      history.ids.push(...appended.map(({ id }) => id))
      history.acknowledged = history.ids.length
    } else if (each.type === 'seal') {
      const sequence = history.sealed + Math.floor(each.share * (history.acknowledged - history.sealed + 0.99))
      if (sequence === history.sealed) continue
      await journal.sealed(sequence, commitOf(9))
      history.sealed = sequence
    } else await journal.sync()
  }
  // Some are under way when it ends.
  const last = Array.from({ length: lastEntries }, () => appendNext(1, 300))
  const settled = Promise.allSettled(last.map(({ done }) => done))
  if (end === 'close') {
    await journal.close()
    await settled
    history.acknowledged += last.length
    history.ids.push(...last.map(({ id }) => id))
    return
  }
  files.fault = operation => (operation === 'datasync' ? { code: 'EIO' } : undefined)
  await settled
  history.ids.push(...last.map(({ id }) => id))
  await journal.close()
  files.fault = () => undefined
  let at = 0
  if (end === 'power') files.losePower(directory, () => random[at++ % random.length]!)
}

function check(
  entries: readonly { readonly sequence: number; readonly changes: readonly { readonly id: string }[] }[],
  sealedSequence: number,
  lastSequence: number,
  history: History,
): void {
  expect(lastSequence).toBeGreaterThanOrEqual(history.acknowledged)
  expect(lastSequence).toBeLessThanOrEqual(history.ids.length)
  expect(sealedSequence).toBeLessThanOrEqual(history.sealed)
  for (const { sequence, changes } of entries) expect(changes.map(({ id }) => id)).toEqual([history.ids[sequence - 1]])
  const known = entries.map(({ sequence }) => sequence)
  for (let sequence = history.sealed + 1; sequence <= history.acknowledged; sequence++)
    expect(known).toContain(sequence)
  // What survived without having been acknowledged is there from now on.
  history.ids.length = lastSequence
  history.acknowledged = lastSequence
  history.sealed = sealedSequence
}
