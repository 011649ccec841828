import fc from 'fast-check'
import { MemoryNetwork } from '@atolldb/testkit'
import { describe, expect, test } from 'vitest'
import { RecordCache } from '../src/cache/record-cache.ts'
import { openNode, settled } from './replication/nodes.ts'

const value = (key: string): { of: string } => ({ of: key })

/** Asks for a key as the store does: what is missed is put in. */
function ask(cache: RecordCache<{ of: string }>, key: string): boolean {
  const found = cache.get(key)
  if (found === undefined) cache.set(key, value(key), 100)
  else expect(found.of).toBe(key)
  return found !== undefined
}

describe('the record cache', () => {
  test('keeps what is asked for most while a scan passes through', () => {
    const cache = new RecordCache<{ of: string }>({ entries: 100 })
    const hot = Array.from({ length: 50 }, (_, i) => `hot-${i}`)
    for (let round = 0; round < 3; round++) for (const key of hot) ask(cache, key)
    for (let i = 0; i < 10_000; i++) ask(cache, `scan-${i}`)
    expect(hot.filter(key => cache.get(key) !== undefined)).toHaveLength(50)
  })

  test('beats recency on a skewed load', () => {
    const cache = new RecordCache<{ of: string }>({ entries: 100 })
    const recent = new Map<string, true>()
    let hits = 0
    let recentHits = 0
    let state = 12_345
    const random = (): number => (state = (state * 1_103_515_245 + 12_345) % 2 ** 31) / 2 ** 31
    for (let i = 0; i < 50_000; i++) {
      // Zipf-like: key n is asked for about as often as 1 / n.
      const key = `key-${Math.floor(1000 ** random())}`
      if (ask(cache, key)) hits++
      if (recent.delete(key)) recentHits++
      recent.set(key, true)
      if (recent.size > 100) recent.delete(recent.keys().next().value!)
    }
    expect(hits).toBeGreaterThan(recentHits * 1.03)
  })

  test('brings back at once what was dropped too early', () => {
    const cache = new RecordCache<{ of: string }>({ entries: 20 })
    const askTwice = (key: string): void => void [ask(cache, key), ask(cache, key)]
    askTwice('a')
    for (let i = 0; i < 20; i++) askTwice(`other-${i}`)
    expect(ask(cache, 'a')).toBe(false)
    expect(ask(cache, 'a')).toBe(true)
  })

  test('counts hits and misses', () => {
    const cache = new RecordCache<{ of: string }>({ entries: 20 })
    expect([ask(cache, 'a'), ask(cache, 'a'), ask(cache, 'a'), ask(cache, 'b')]).toEqual([false, false, true, false])
    expect(cache.counts()).toMatchObject({ hits: 1, misses: 3, entries: 1 })
  })

  test('does not take what is too large for it', () => {
    const cache = new RecordCache<{ of: string }>({ bytes: 10_000 })
    for (let time = 0; time < 3; time++) cache.set('huge', value('huge'), 9_000)
    expect(cache.get('huge')).toBeUndefined()
  })

  test('stays within its limit and never gives a value that was forgotten', () => {
    const step = fc.tuple(fc.constantFrom('get', 'set', 'delete', 'clear'), fc.nat(40), fc.nat(300))
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 50, arbitrary: step }), { maxLength: 300 }),
        fc.boolean(),
        (steps, inBytes) => {
          const limit = inBytes ? { bytes: 4_000 } : { entries: 12 }
          const cache = new RecordCache<number>(limit)
          const newest = new Map<string, number>()
          for (const [at, [action, number, size]] of steps.entries()) {
            const key = `k${number}`
            if (action === 'get') {
              const found = cache.get(key)
              if (found !== undefined) expect(found).toBe(newest.get(key))
            } else if (action === 'set') {
              cache.set(key, at, size)
              newest.set(key, at)
            } else if (action === 'delete') {
              cache.delete(key)
              newest.delete(key)
            } else if (number === 0) {
              cache.clear()
              newest.clear()
            }
            const { entries, bytes } = cache.counts()
            if (inBytes) expect(bytes).toBeLessThanOrEqual(4_000)
            else expect(entries).toBeLessThanOrEqual(12)
          }
        },
      ),
    )
  })
})

describe('a database with a cache', () => {
  test('never gives a value that was changed, here or by another node', async () => {
    const network = new MemoryNetwork()
    const cache = { entries: 10 }
    const first = await openNode(network, { cache })
    const a = first.db
    const farms = a.object<number>('farms')
    await farms.put('north', 1)
    await farms.count()
    for (let time = 0; time < 3; time++) expect(await farms.get('north')).toBe(1)
    expect(a.cacheCounts()).toMatchObject({ hits: 1, entries: 1 })
    await farms.put('north', 2)
    expect(await farms.get('north')).toBe(2)
    await farms.count()
    expect(await farms.get('north')).toBe(2)
    const second = await openNode(network, { cache, joins: [first.port] })
    await settled(first, second)
    await second.db.object<number>('farms').put('north', 3)
    await second.db.flush()
    await settled(first, second)
    expect(await farms.get('north')).toBe(3)
    await farms.delete('north')
    await farms.count()
    expect(await farms.get('north')).toBeUndefined()
  })
})
