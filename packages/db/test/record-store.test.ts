import { AtollError, corrupt, type CollectionName, HybridClock, type RecordId, type RecordRef } from '@atolldb/core'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import type { Durability } from '../src/api/database.ts'
import { RecordStore, type RecordStoreParts } from '../src/engine/record-store.ts'
import type { JournalEntry } from '../src/journal/frame.ts'
import { Journal } from '../src/journal/journal.ts'
import { Schemas } from '../src/rules/schemas.ts'
import { View, type ViewChange } from '../src/view/view.ts'
import { commitOf, deleteOf, putOf } from './entries.ts'
import { FaultyFiles } from './faulty-files.ts'
import { MAX_WAITING_BYTES } from '../src/engine/room.ts'
import { temporaryDirectory } from './temporary.ts'

const things = 'things' as CollectionName
const ref = (id: string): RecordRef => ({ kind: 'objects', collection: things, id: id as RecordId })

/** A store on a disk that fails when told to; what it seals goes nowhere but into `sealed`. */
async function createStore(parts: Partial<RecordStoreParts> = {}, durability: Durability = 'sync') {
  const files = new FaultyFiles()
  const table: { store?: RecordStore } = {}
  const { journal } = await Journal.open(temporaryDirectory(), {
    durability,
    onAbandon: () => table.store?.rollBack(),
    openFile: files.open,
  })
  const view = await View.open(undefined)
  const sealed: ViewChange[] = []
  const recover = async (): Promise<void> => {
    view.beginRecovery()
    await view.clear()
    await new Promise(resolve => setImmediate(resolve))
    for (const change of sealed) await view.apply([change], undefined)
    await view.apply([], { main: commitOf(1), sealed: 0, sequence: 0 })
    view.endRecovery()
  }
  const repairView = vi.fn(() => made.recoverView(recover))
  const made = new RecordStore(
    {
      journal,
      view,
      clock: new HybridClock({ nowMs: () => Date.now() }),
      cache: { entries: 100 },
      schemas: new Schemas(),
      currentMain: () => commitOf(1),
      onPending: () => undefined,
      repairView,
      sealObstacle: () => undefined,
      onListenerFailed: () => undefined,
      ...parts,
    },
    { main: commitOf(1), sealed: 0, sequence: 0 },
  )
  table.store = made
  onTestFinished(async () => {
    files.fault = () => undefined
    await made.stop()
    await made.close()
    await journal.close()
    await view.close()
  })
  const put = (id: string, value: unknown): Promise<void> =>
    made.write(() => ({ changes: [putOf(id, value)], result: undefined }))
  const del = (id: string): Promise<void> => made.write(() => ({ changes: [deleteOf(id)], result: undefined }))
  const get = (id: string): unknown => valueOf(made.read(ref(id)))
  const seal = (): void => {
    const entries = made.oldestPending(1_000, 1e9)
    for (const entry of entries) sealed.push(...entry.changes)
    made.sealed(entries, commitOf(1))
  }
  return { store: made, journal, view, files, repairView, put, del, get, seal }
}

function valueOf(content: { bytes: Uint8Array } | undefined): unknown {
  return content && JSON.parse(Buffer.from(content.bytes).toString())
}

const full = new AtollError('STORAGE_FULL', 'full', { path: 'view' })

describe('a write', () => {
  test('that finds the disk full never happened; what was before is there, what comes after works', async () => {
    const { store, files, put, del, get } = await createStore()
    await put('kept', 1)
    await put('deleted', 1)
    await store.count('objects', things)
    files.fault = operation => (operation === 'write' ? { code: 'ENOSPC', bytes: 11 } : undefined)
    const writes = [put('kept', 2), put('kept', 3), put('new', 1), del('deleted'), put('deleted', 9), del('kept')]
    expect(get('kept')).toBeUndefined()
    for (const { status } of await Promise.allSettled(writes)) expect(status).toBe('rejected')
    expect([get('kept'), get('new'), get('deleted')]).toEqual([1, undefined, 1])
    expect(store.pendingChanges).toBe(2)
    files.fault = () => undefined
    await put('kept', 4)
    expect(get('kept')).toBe(4)
    expect(await store.count('objects', things)).toBe(2)
  })

  test('that nothing durable hides is taken back to what the view is being given', async () => {
    const { store, files, view, put, get } = await createStore()
    await put('a', 1)
    const apply = vi.spyOn(view, 'apply')
    await store.count('objects', things)
    let release: (() => void) | undefined
    apply.mockImplementationOnce(async (...args) => {
      await new Promise<void>(resolve => (release = resolve))
      return View.prototype.apply.apply(view, args)
    })
    await put('a', 2)
    await vi.waitFor(() => expect(release).toBeDefined())
    files.fault = operation => (operation === 'write' ? { code: 'ENOSPC' } : undefined)
    const lost = put('a', 3)
    release?.()
    await expect(lost).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    files.fault = () => undefined
    expect(get('a')).toBe(2)
    await store.count('objects', things)
    expect(get('a')).toBe(2)
  })

  test('that failed to sync ends writing, and reading goes on', async () => {
    const { files, put, get } = await createStore()
    await put('a', 1)
    files.fault = operation => (operation === 'datasync' ? { code: 'EIO' } : undefined)
    await expect(put('a', 2)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    files.fault = () => undefined
    await expect(put('b', 1)).rejects.toMatchObject({ code: 'STORAGE_FAILED' })
    expect([get('a'), get('b')]).toEqual([1, undefined])
  })

  test('that changes nothing resolves when what it saw is durable', async () => {
    const { store, files, put, del, get } = await createStore()
    await put('a', 1)
    files.fault = operation => (operation === 'write' ? { code: 'ENOSPC' } : undefined)
    const deletes = del('a')
    const seen = store.write(() => ({ changes: [], result: get('a') }))
    await expect(deletes).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await expect(seen).rejects.toMatchObject({ code: 'STORAGE_FULL' })
  })

  test('that begins in the turn in which writers are shut out is either before or after', async () => {
    const { store, put, get } = await createStore()
    for (let i = 0; i < 20; i++) {
      const write = i % 2 === 0 ? put('a', i) : undefined
      const adopting = store.withoutWriters(async () => {
        const before = [get('a'), store.pendingChanges]
        await new Promise(resolve => setImmediate(resolve))
        expect([get('a'), store.pendingChanges]).toEqual(before)
      })
      for (let turn = 0; turn < i; turn++) await Promise.resolve()
      await Promise.all([write, put('a', -i), adopting])
    }
  })

  test('is checked and taken in one turn: of many creations one wins', async () => {
    const { store, get } = await createStore()
    const create = (value: number): Promise<number> =>
      store.write(() => {
        if (store.read(ref('a')) !== undefined) throw new AtollError('EXISTS', 'a', { collection: 'things', id: 'a' })
        return { changes: [putOf('a', value)], result: value }
      })
    const results = await Promise.allSettled(Array.from({ length: 50 }, (_, value) => create(value)))
    expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
    expect(get('a')).toBe(0)
  })

  test('that came when too much was waiting is not overtaken for ever by a stream of small ones', async () => {
    const { store, journal, files, put } = await createStore()
    const large = put('large', 'x'.repeat(1_000_000))
    const larger = put('larger', 'x'.repeat(100_000))
    expect(journal.congested).toBe(true)
    const late = put('late', 1)
    // Of writers that have nothing to do with each other, one comes whenever the disk is at work.
    const writing: Promise<void>[] = []
    const done = new AbortController()
    const stream = async (): Promise<void> => {
      while (!done.signal.aborted && files.counts.datasync < 50) {
        writing.push(put(`${writing.length}`, 1))
        await new Promise(resolve => setImmediate(resolve))
      }
    }
    const streaming = stream()
    await late
    expect(files.counts.datasync).toBeLessThan(10)
    done.abort()
    await streaming
    await Promise.all([large, larger, ...writing])
    expect(valueOf(store.read(ref('late')))).toBe(1)
  })

  test('waits while writers are kept out, and gives up when its caller does', async () => {
    const { store, put, get } = await createStore()
    let open = (): void => undefined
    const held = new Promise<void>(resolve => (open = resolve))
    const order: string[] = []
    const before = put('before', 1).then(() => order.push('before'))
    const first = store.withoutWriters(async () => {
      expect(get('before')).toBe(1)
      expect(store.pendingChanges).toBe(1)
      order.push('adopting')
      await held
    })
    await vi.waitFor(() => expect(order).toContain('adopting'))
    const second = store.withoutWriters(async () => void order.push('adopting again'))
    const after = put('after', 1).then(() => order.push('after'))
    const abort = new AbortController()
    const aborted = store.write(() => ({ changes: [putOf('aborted', 1)], result: 0 }), abort.signal)
    abort.abort()
    await expect(aborted).rejects.toMatchObject({ code: 'ABORTED' })
    expect(get('aborted')).toBeUndefined()
    open()
    await Promise.all([before, first, second, after])
    expect(order.slice(0, 2)).toEqual(['before', 'adopting'])
    expect(order).toHaveLength(4)
  })
})

describe('back-pressure', () => {
  const megabyte = 'x'.repeat(1_000_000)

  test('holds writers until what waits is sealed', async () => {
    const { store, put, seal } = await createStore({}, 'os')
    for (let i = 0; i <= MAX_WAITING_BYTES / megabyte.length; i++) await put(`${i}`, megabyte)
    const waiting = vi.fn()
    const late = put('late', 1).then(waiting)
    await store.count('objects', things)
    for (let turn = 0; turn < 50; turn++) await new Promise(resolve => setImmediate(resolve))
    expect(waiting).not.toHaveBeenCalled()
    seal()
    await late
    expect(waiting).toHaveBeenCalled()
  })

  test('refuses writers that wait in vain, with the reason', async () => {
    const sealObstacle = vi.fn((): Error | undefined => undefined)
    const { store, put } = await createStore({ sealObstacle }, 'os')
    for (let i = 0; i <= MAX_WAITING_BYTES / megabyte.length; i++) await put(`${i}`, megabyte)
    const late = put('late', 1)
    const obstacle = new AtollError('STORAGE_FULL', 'no space left', { path: 'repo.git' })
    sealObstacle.mockReturnValue(obstacle)
    store.recheckRoom()
    await expect(late).rejects.toBe(obstacle)
  })

  test('lets go of writers when the store is closed', async () => {
    const { store, put } = await createStore({}, 'os')
    for (let i = 0; i <= MAX_WAITING_BYTES / megabyte.length; i++) await put(`${i}`, megabyte)
    const late = put('late', 1)
    const stopped = store.stop()
    await expect(late).rejects.toMatchObject({ code: 'CLOSED' })
    await stopped
  })
})

describe('subscribers', () => {
  test('hear of what is durable, in the order it became visible', async () => {
    const { store, files, put, del } = await createStore()
    const heard: string[] = []
    store.subscribe(({ origin, changes }) =>
      heard.push(...changes.map(({ id, content }) => `${origin} ${id} ${String(valueOf(content))}`)),
    )
    await Promise.all([put('a', 1), put('b', 1), put('a', 2), del('b')])
    files.fault = operation => (operation === 'write' ? { code: 'ENOSPC' } : undefined)
    await expect(put('c', 1)).rejects.toThrow()
    await store.withoutWriters(async () => store.adopt([putOf('a', 3)], commitOf(2)))
    expect(heard).toEqual(['local a 1', 'local b 1', 'local a 2', 'local b undefined', 'remote a 3'])
  })

  test('that throw break neither the write nor the others', async () => {
    const onListenerFailed = vi.fn()
    const { store, put } = await createStore({ onListenerFailed })
    const heard = vi.fn()
    store.subscribe(() => {
      throw new Error('mine')
    })
    const undo = store.subscribe(heard)
    await put('a', 1)
    expect(heard).toHaveBeenCalledTimes(1)
    expect(onListenerFailed).toHaveBeenCalledWith(expect.objectContaining({ message: 'mine' }))
    undo()
    await put('a', 2)
    expect(heard).toHaveBeenCalledTimes(1)
  })
})

describe('the view behind it', () => {
  test('may fail to be written: reads go on, and it is recovered when it can be', async () => {
    const { store, view, repairView, put, get } = await createStore()
    await put('a', 1)
    await store.count('objects', things)
    vi.spyOn(view, 'apply').mockRejectedValueOnce(full)
    repairView.mockRejectedValueOnce(full)
    await put('a', 2)
    await put('b', 1)
    await vi.waitFor(() => expect(repairView).toHaveBeenCalledTimes(1))
    expect([get('a'), get('b')]).toEqual([2, 1])
    // Tried again after a while, or when somebody cannot do without.
    expect(await store.count('objects', things)).toBe(2)
    expect(repairView).toHaveBeenCalledTimes(2)
    expect([get('a'), get('b')]).toEqual([2, 1])
  })

  test('whose repair failed for a reader is repaired all the same, for writers who wait', async () => {
    const { store, view, repairView, put, get } = await createStore()
    await put('a', 1)
    await store.count('objects', things)
    const damage = vi.spyOn(view, 'get').mockImplementationOnce(() => {
      throw corrupt(view.path, 'a test')
    })
    repairView.mockImplementationOnce(() => store.recoverView(() => Promise.reject(full)))
    await expect(store.readSafely(() => get('a'))).rejects.toBe(full)
    damage.mockRestore()
    await put('b', 2)
    await vi.waitFor(() => expect(view.mark).toMatchObject({ sequence: 2 }), { timeout: 5_000 })
    expect(repairView).toHaveBeenCalledTimes(2)
    expect([get('a'), get('b')]).toEqual([1, 2])
  })

  test('is not asked while it is being recovered: reads wait, and find everything', async () => {
    const { store, view, repairView, put, seal } = await createStore()
    for (let i = 0; i < 20; i++) await put(`${i}`, i)
    await store.count('objects', things)
    seal()
    await store.count('objects', things)
    const spy = vi.spyOn(view, 'get').mockImplementationOnce(() => {
      throw corrupt(view.path, 'a test')
    })
    const reads = Array.from({ length: 20 }, (_, i) => store.readSafely(() => valueOf(store.read(ref(`${i}`)))))
    const created = store.write(() => {
      if (store.read(ref('7')) !== undefined) throw new Error('it exists')
      return { changes: [putOf('7', 'overwritten')], result: undefined }
    })
    await expect(created).rejects.toThrow('it exists')
    expect(await Promise.all(reads)).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(repairView).toHaveBeenCalledTimes(1)
    spy.mockRestore()
  })

  test('recovered under a range ends that with CORRUPT, never with CLOSED, and once is enough', async () => {
    const { store, repairView, put, seal } = await createStore()
    for (let i = 0; i < 600; i++) await put(`${i}`, i)
    await store.count('objects', things)
    seal()
    await store.count('objects', things)
    const range = store.range('objects', things, {})[Symbol.asyncIterator]()
    await range.next()
    await repairView()
    const rest = async (): Promise<void> => {
      while ((await range.next()).done !== true);
    }
    await expect(rest()).rejects.toMatchObject({ code: 'CORRUPT' })
    expect(repairView).toHaveBeenCalledTimes(1)
    expect(await store.count('objects', things)).toBe(600)
  })

  test('has what is pending again after a recovery, also below a write that then fails', async () => {
    const { store, files, view, repairView, put, get } = await createStore()
    await put('a', 1)
    await put('b', 1)
    await store.count('objects', things)
    // Neither is in the table any more. A write of one is under way while the view is recovered without them.
    let failed: Promise<void> | undefined
    repairView.mockImplementationOnce(() =>
      store.recoverView(async () => {
        files.fault = operation => (operation === 'write' ? { code: 'ENOSPC' } : undefined)
        await view.clear()
        await view.apply([], { main: commitOf(1), sealed: 0, sequence: 0 })
        failed = put('a', 2)
      }),
    )
    vi.spyOn(view, 'get').mockImplementationOnce(() => {
      throw corrupt(view.path, 'a test')
    })
    await store.readSafely(() => store.read(ref('x')))
    await expect(failed).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    files.fault = () => undefined
    expect([get('a'), get('b')]).toEqual([1, 1])
    expect(await store.count('objects', things)).toBe(2)
    expect([get('a'), get('b')]).toEqual([1, 1])
  })

  test('is counted without waiting for the end of a stream of writes', async () => {
    const { store, put } = await createStore()
    const counted = new AbortController()
    let writes = 0
    const stream = (async () => {
      while (!counted.signal.aborted && writes < 20_000) await put(`${writes++}`, writes)
    })()
    await put('first', 1)
    expect(await store.count('objects', things)).toBeGreaterThan(0)
    counted.abort()
    await stream
    expect(writes).toBeLessThan(5_000)
  })

  test('never says that it is further than it is', async () => {
    const { store, view } = await createStore()
    const marks: unknown[] = []
    const apply = vi.spyOn(view, 'apply').mockImplementation(async (changes, mark) => {
      marks.push({ changes: changes.length, mark })
      return View.prototype.apply.call(view, changes, mark)
    })
    await view.apply([], { main: commitOf(1), sealed: 0, sequence: 0 })
    marks.length = 0
    const entry: JournalEntry = {
      sequence: 1,
      main: commitOf(1),
      clock: { ms: 1, counter: 0 },
      changes: Array.from({ length: 2_500 }, (_, i) => putOf(`${i}`, i)),
    }
    store.replay([entry])
    await store.count('objects', things)
    const from = { main: commitOf(1), sealed: 0, sequence: 0 }
    expect(marks).toEqual([
      { changes: 1_000, mark: { ...from, next: { main: commitOf(1), sequence: 1 } } },
      { changes: 1_000, mark: { ...from, next: { main: commitOf(1), sequence: 1 } } },
      { changes: 500, mark: { ...from, sequence: 1 } },
    ])
    apply.mockRestore()
  })
})
