import { MemoryObjectStore } from '@atolldb/testkit'
import { describe, expect, it } from 'vitest'
import { applyEdits, type ObjectId, type RecordEdit, type TreeEntry } from '../../src/index.ts'
import { edit } from './sample-records.ts'

/** Says which trees were written, and how many were read before the first of them. */
class WatchedStore extends MemoryObjectStore {
  readonly written = new Set<ObjectId>()
  readsBefore = -1

  override writeTree(entries: readonly TreeEntry[]): ObjectId {
    if (this.written.size === 0) this.readsBefore = this.reads.tree
    const id = super.writeTree(entries)
    this.written.add(id)
    return id
  }

  watch(): void {
    this.written.clear()
    this.resetCounters()
  }

  async treesBelow(id: ObjectId, found = new Set<ObjectId>()): Promise<Set<ObjectId>> {
    if (found.has(id)) return found
    found.add(id)
    for (const entry of await this.readTree(id)) if (entry.type === 'tree') await this.treesBelow(entry.id, found)
    return found
  }
}

const RECORDS = 20_000
const pathAt = (n: number): string => `objects/sensors/${String((n * 7_919) % RECORDS).padStart(5, '0')}`

async function filled(): Promise<{ store: WatchedStore; tree: ObjectId }> {
  const store = new WatchedStore()
  const { tree } = await applyEdits(
    store,
    undefined,
    Array.from({ length: RECORDS }, (_, n) => edit(store, pathAt(n), '1')),
  )
  return { store, tree }
}

describe('edits all over a large collection', () => {
  it('are written as they are made, and not held until the last of them', async () => {
    const { store, tree } = await filled()
    const edits = Array.from({ length: 1000 }, (_, n) => edit(store, pathAt(n), '2'))
    store.watch()
    await applyEdits(store, tree, edits)
    expect(store.reads.tree).toBeGreaterThan(500)
    expect(store.readsBefore).toBeLessThan(50)
  })

  it('write no tree that a fold throws away', async () => {
    const { store, tree } = await filled()
    // Most records of some stretches go and others change or come, so that nodes fold on several levels.
    const edits: RecordEdit[] = []
    for (let n = 0; n < RECORDS; n++) {
      const id = String(n).padStart(5, '0')
      if (n % 4000 < 2500 && n % 97 !== 0) edits.push(edit(store, `objects/sensors/${id}`, undefined))
      else if (n % 11 === 0) edits.push(edit(store, `objects/sensors/${id}`, '2'))
      if (n % 5000 === 0) edits.push(edit(store, `objects/sensors/${id}-b`, '2'))
    }
    store.watch()
    const edited = await applyEdits(store, tree, edits)
    const written = [...store.written]
    const below = await store.treesBelow(edited.tree)
    expect(written.length).toBeGreaterThan(100)
    expect(written.filter(id => !below.has(id))).toEqual([])
  })
})
