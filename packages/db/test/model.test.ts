import { compareUtf8 } from '@atolldb/core'
import fc from 'fast-check'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type Database, open, type RangeOptions } from '../src/index.ts'

/**
 * A node against plain Maps: whatever is written, sealed, closed, or done to its view in between, both say the same. A view
 * of an earlier moment stands for a power cut, since LevelDB is written without sync.
 */

const ids = ['', ' ', '/', 'a', 'a/b', 'a b', 'ä', 'z', '\uffff', '😀', '😀😀', '\u{10ffff}', 'con', '%', 'a\0b']
const id = fc.constantFrom(...ids)
const value = fc.oneof(
  fc.nat(5),
  fc.constantFrom('', 'text', null),
  fc.record({ deep: fc.nat(3), list: fc.constant([1]) }),
)

type Step =
  | { readonly type: 'put' | 'create' | 'update'; readonly id: string; readonly value: unknown }
  | { readonly type: 'patch'; readonly id: string; readonly value: number | null }
  | { readonly type: 'delete'; readonly id: string }
  | { readonly type: 'batch'; readonly ids: readonly string[]; readonly value: unknown; readonly fails: boolean }
  | { readonly type: 'insert'; readonly count: number }
  | { readonly type: 'remove'; readonly index: number }
  | { readonly type: 'range'; readonly range: RangeOptions }
  | { readonly type: 'flush' | 'reopen' | 'keepView' | 'deleteView' }
  | { readonly type: 'oldView'; readonly index: number }

const bound = fc.option(id, { nil: undefined })
const range = fc
  .record({
    gt: bound,
    gte: bound,
    lt: bound,
    lte: bound,
    reverse: fc.boolean(),
    limit: fc.option(fc.nat(5), { nil: undefined }),
  })
  .map(bounds => Object.fromEntries(Object.entries(bounds).filter(([, given]) => given !== undefined)) as RangeOptions)

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.record({ type: fc.constantFrom('put' as const, 'create' as const, 'update' as const), id, value }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('patch' as const), id, value: fc.option(fc.nat(3)) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('delete' as const), id }) },
  {
    weight: 2,
    arbitrary: fc.record({
      type: fc.constant('batch' as const),
      ids: fc.uniqueArray(id, { maxLength: 4 }),
      value,
      fails: fc.boolean(),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('insert' as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ type: fc.constant('remove' as const), index: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ type: fc.constant('range' as const), range }) },
  {
    weight: 3,
    arbitrary: fc.record({
      type: fc.constantFrom('flush' as const, 'reopen' as const, 'keepView' as const, 'deleteView' as const),
    }),
  },
  { weight: 2, arbitrary: fc.record({ type: fc.constant('oldView' as const), index: fc.nat(3) }) },
)

test('a node says what plain Maps say, whatever becomes of its view', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async steps => {
      const node = await TestNode.create()
      try {
        for (const each of steps) await node.perform(each)
        await node.compareAll()
        await node.reopen()
        await node.compareAll()
      } finally {
        await node.remove()
      }
    }),
    { numRuns: 40 },
  )
}, 120_000)

class TestNode {
  readonly #parent: string
  #db: Database
  readonly #objects = new Map<string, unknown>()
  readonly #list = new Map<string, unknown>()
  readonly #views: string[] = []

  private constructor(parent: string, db: Database) {
    this.#parent = parent
    this.#db = db
  }

  static async create(): Promise<TestNode> {
    const parent = mkdtempSync(join(tmpdir(), 'atoll-model-'))
    return new TestNode(parent, await openNode(parent))
  }

  async reopen(meanwhile: () => void = () => undefined): Promise<void> {
    await this.#db.close()
    meanwhile()
    this.#db = await openNode(this.#parent)
  }

  async remove(): Promise<void> {
    await this.#db.close()
    rmSync(this.#parent, { recursive: true, force: true })
  }

  async perform(each: Step): Promise<void> {
    const objects = this.#db.object<unknown>('things')
    const list = this.#db.list<unknown>('things')
    const view = join(this.#parent, 'data', 'view')
    switch (each.type) {
      case 'put':
        await objects.put(each.id, each.value)
        this.#objects.set(each.id, each.value)
        return
      case 'create':
        if (this.#objects.has(each.id)) return fails(objects.create(each.id, each.value), 'EXISTS')
        await objects.create(each.id, each.value)
        this.#objects.set(each.id, each.value)
        return
      case 'update':
        if (!this.#objects.has(each.id)) return fails(objects.update(each.id, each.value), 'MISSING')
        await objects.update(each.id, each.value)
        this.#objects.set(each.id, each.value)
        return
      case 'patch':
        return this.#patch(each.id, each.value)
      case 'delete':
        expect(await objects.delete(each.id)).toBe(this.#objects.delete(each.id))
        return
      case 'batch':
        return this.#batch(each.ids, each.value, each.fails)
      case 'insert': {
        const values = Array.from({ length: each.count }, (_, index) => ({ index }))
        const inserted = await list.insertMany(values)
        for (const [index, key] of inserted.entries()) this.#list.set(key, values[index])
        return
      }
      case 'remove': {
        const key = [...this.#list.keys()][each.index]
        if (key !== undefined) expect(await list.delete(key.toUpperCase())).toBe(this.#list.delete(key))
        return
      }
      case 'range':
        expect(await collect(objects.entries(each.range))).toEqual(rangeOf(this.#objects, each.range))
        return
      case 'flush':
        await this.#db.flush()
        return
      case 'reopen':
        return this.reopen()
      case 'deleteView':
        return this.reopen(() => rmSync(view, { recursive: true }))
      case 'keepView':
        // Once it holds what was written until now.
        await objects.count()
        cpSync(view, join(this.#parent, `view-${this.#views.length}`), { recursive: true })
        this.#views.push(join(this.#parent, `view-${this.#views.length}`))
        return
      case 'oldView': {
        const old = this.#views[each.index]
        if (old === undefined) return
        return this.reopen(() => {
          rmSync(view, { recursive: true })
          cpSync(old, view, { recursive: true })
        })
      }
    }
  }

  async #patch(key: string, patched: number | null): Promise<void> {
    const objects = this.#db.object<unknown>('things')
    if (!this.#objects.has(key)) return fails(objects.patch(key, { patched }), 'MISSING')
    await objects.patch(key, { patched })
    const before = this.#objects.get(key)
    const { patched: _, ...rest } =
      typeof before === 'object' && before !== null ? (before as { patched?: number }) : {}
    this.#objects.set(key, patched === null ? rest : { ...rest, patched })
  }

  async #batch(keys: readonly string[], stored: unknown, isToFail: boolean): Promise<void> {
    const work = this.#db.batch(async tx => {
      for (const key of keys) {
        const things = tx.object<unknown>('things')
        if ((await things.get(key)) === undefined) things.put(key, stored)
        else things.delete(key)
      }
      if (isToFail) throw new Error('on purpose')
    })
    if (isToFail) {
      await expect(work).rejects.toThrow('on purpose')
      return
    }
    await work
    for (const key of keys) if (!this.#objects.delete(key)) this.#objects.set(key, stored)
  }

  async compareAll(): Promise<void> {
    const objects = this.#db.object<unknown>('things')
    const list = this.#db.list<unknown>('things')
    expect(await collect(objects.entries())).toEqual(rangeOf(this.#objects, {}))
    expect(await collect(list.entries())).toEqual(rangeOf(this.#list, {}))
    expect([await objects.count(), await list.count()]).toEqual([this.#objects.size, this.#list.size])
    expect(await objects.getMany(ids)).toEqual(ids.map(each => this.#objects.get(each)))
  }
}

function openNode(parent: string): Promise<Database> {
  // Seals are rare, so that much is in the journal alone.
  return open(join(parent, 'data'), { durability: 'os', seal: { maxDelayMs: 60_000 } })
}

async function fails(work: Promise<unknown>, code: string): Promise<void> {
  await expect(work).rejects.toMatchObject({ code })
}

async function collect<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const collected: Item[] = []
  for await (const item of items) collected.push(item)
  return collected
}

function rangeOf(
  records: ReadonlyMap<string, unknown>,
  { gt, gte, lt, lte, reverse, limit }: RangeOptions,
): [string, unknown][] {
  const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')
  const found = [...records]
    .filter(
      ([key]) =>
        (gt === undefined || Buffer.compare(bytes(key), bytes(gt)) > 0) &&
        (gte === undefined || Buffer.compare(bytes(key), bytes(gte)) >= 0) &&
        (lt === undefined || Buffer.compare(bytes(key), bytes(lt)) < 0) &&
        (lte === undefined || Buffer.compare(bytes(key), bytes(lte)) <= 0),
    )
    .toSorted(([a], [b]) => Buffer.compare(bytes(a), bytes(b)))
  return (reverse === true ? found.toReversed() : found).slice(0, limit ?? found.length)
}

test('the order of the model is that of core', () => {
  const byBytes = ids.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  expect(ids.toSorted(compareUtf8)).toEqual(byBytes)
})
