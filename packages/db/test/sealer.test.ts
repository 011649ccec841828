import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { AtollError, MAX_COMMIT_CHANGES } from '@atolldb/core'
import { Sealer } from '../src/engine/sealer.ts'

/** When pending writes become a commit, on a clock of the test's own: timers and milliseconds are vitest's. */

beforeEach(() => void vi.useFakeTimers())
afterEach(() => void vi.useRealTimers())

function fixture(maxDelayMs = 1_000) {
  const sealedMs: number[] = []
  const startedMs = Date.now()
  const nowMs = (): number => Date.now() - startedMs
  const store = { pendingChanges: 0, pendingBytes: 0 }
  let fails: AtollError | undefined
  const history = {
    hasBegun: true,
    async sealOnce(): Promise<void> {
      if (fails !== undefined) throw fails
      sealedMs.push(nowMs())
      store.pendingChanges = Math.max(0, store.pendingChanges - MAX_COMMIT_CHANGES)
    },
  }
  const sealer = new Sealer({ history, store, maxDelayMs, monotonicMs: nowMs, log: () => undefined })
  const write = (changes = 1): void => {
    store.pendingChanges += changes
    sealer.wake()
  }
  /** A write every so often, for so long. */
  const stream = async (everyMs: number, forMs: number, changes = 1): Promise<void> => {
    for (let ms = 0; ms < forMs; ms += everyMs) {
      write(changes)
      await vi.advanceTimersByTimeAsync(everyMs)
    }
  }
  return { sealer, sealedMs, store, history, write, stream, nowMs, fail: (error?: AtollError) => void (fails = error) }
}

describe('the sealer', () => {
  test('seals a lone write within 10 ms', async () => {
    const { write, sealedMs } = fixture()
    write()
    await vi.advanceTimersByTimeAsync(10)
    expect(sealedMs).toHaveLength(1)
  })

  test('seals a stream once a second, and its end at once', async () => {
    const { stream, sealedMs } = fixture()
    await stream(2, 3_500)
    expect(sealedMs).toHaveLength(3)
    await vi.advanceTimersByTimeAsync(10)
    expect(sealedMs).toHaveLength(4)
  })

  test('seals a stream no more often than seal.maxDelayMs says', async () => {
    const { stream, sealedMs } = fixture(60_000)
    await stream(4, 130_000)
    expect(sealedMs).toHaveLength(2)
  })

  test('takes quick writes one by one for a stream after some of them', async () => {
    const { stream, sealedMs } = fixture()
    await stream(20, 10_000)
    // Eight tokens, and one more each second.
    expect(sealedMs.length).toBeGreaterThan(8)
    expect(sealedMs.length).toBeLessThan(30)
  })

  test('does not wait for the second when more waits than a burst may leave behind', async () => {
    const { stream, sealedMs } = fixture(60_000)
    await stream(1, 100, 2 * MAX_COMMIT_CHANGES)
    expect(sealedMs.length).toBeGreaterThan(10)
  })

  test('seals what fills a commit once nothing more comes, however long the delay', async () => {
    const { write, stream, sealedMs, store } = fixture(60_000)
    // Uses up what may be sealed quickly.
    await stream(20, 200)
    const before = sealedMs.length
    write(3 * MAX_COMMIT_CHANGES)
    await vi.advanceTimersByTimeAsync(50)
    expect(sealedMs.length).toBe(before + 3)
    expect(store.pendingChanges).toBeLessThan(MAX_COMMIT_CHANGES)
  })

  test('seals one at a time', async () => {
    const { history, write, store } = fixture()
    let running = 0
    let most = 0
    history.sealOnce = async () => {
      most = Math.max(most, ++running)
      await new Promise(resolve => setTimeout(resolve, 100))
      store.pendingChanges = 0
      running--
    }
    for (let i = 0; i < 50; i++) {
      write(MAX_COMMIT_CHANGES)
      await vi.advanceTimersByTimeAsync(10)
    }
    expect(most).toBe(1)
  })

  test('tries again a second after a failure, and no more after one of the disk', async () => {
    const { write, sealedMs, fail } = fixture()
    fail(new AtollError('STORAGE_FULL', 'full', { path: '' }))
    write()
    await vi.advanceTimersByTimeAsync(500)
    fail()
    write(MAX_COMMIT_CHANGES)
    await vi.advanceTimersByTimeAsync(100)
    expect(sealedMs).toEqual([])
    await vi.advanceTimersByTimeAsync(500)
    expect(sealedMs.length).toBeGreaterThan(0)
  })

  test('seals no more once it is stopped', async () => {
    const { write, sealer, sealedMs } = fixture()
    write()
    await sealer.stop()
    write()
    await vi.advanceTimersByTimeAsync(2_000)
    expect(sealedMs).toEqual([])
  })
})
