import type { CollectionName, RecordId, RecordRef } from '@atolldb/core'
import { ClassicLevel } from 'classic-level'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { countKey, type ViewMark, viewKey } from '../src/view/encoding.ts'
import { translateLevelError } from '../src/view/level-errors.ts'
import { View } from '../src/view/view.ts'
import { commitOf, deleteOf, putOf } from './entries.ts'
import { temporaryDirectory } from './temporary.ts'

const things = 'things' as CollectionName
const ref = (id: string): RecordRef => ({ kind: 'objects', collection: things, id: id as RecordId })
const mark: ViewMark = { main: commitOf(1), sealed: 3, sequence: 5, next: { main: undefined, sequence: 7 } }

/** A view with the records a and b, and what was changed in its LevelDB behind its back. */
async function changed(change: (level: ClassicLevel<string, Buffer>) => Promise<void>): Promise<View> {
  const path = join(temporaryDirectory(), 'view')
  const view = await View.open(path)
  await view.apply([putOf('a', 1), putOf('b', 2)], mark)
  await view.close()
  const level = new ClassicLevel<string, Buffer>(path, { valueEncoding: 'buffer' })
  await change(level)
  await level.close()
  return View.open(path)
}

describe('a view', () => {
  test('keeps records, counts and mark', async () => {
    const view = await changed(async () => undefined)
    expect(view.mark).toEqual(mark)
    expect(Buffer.from(view.get(viewKey(ref('a')))!.bytes).toString()).toBe('1')
    expect(view.collections()).toEqual([{ kind: 'objects', collection: things, records: 2 }])
    await view.apply([deleteOf('a'), deleteOf('never'), putOf('b', 3)], { ...mark, sequence: 9 })
    expect(view.count('objects', things)).toBe(1)
    expect(view.get(viewKey(ref('a')))).toBeUndefined()
    await view.close()
  })

  test('takes no value for another', async () => {
    const view = await changed(async level => {
      const [a, b] = [viewKey(ref('a')), viewKey(ref('b'))]
      const value = await level.get(a)
      // What was stored for another key, or was bent, or cut.
      await level.put(b, value!)
      await level.put(viewKey(ref('c')), value!.subarray(0, 3))
      value![5]! ^= 1
      await level.put(a, value!)
    })
    for (const id of ['a', 'b', 'c'])
      expect(() => view.get(viewKey(ref(id)))).toThrow(expect.objectContaining({ code: 'CORRUPT' }))
    await view.close()
  })

  test.each([
    ['mark', 'm'],
    ['count', countKey('objects', things)],
  ])('believes nothing when its %s is damaged', async (_, key) => {
    const view = await changed(async level => {
      const value = await level.get(key)
      value![value!.length - 1]! ^= 1
      await level.put(key, value!)
    })
    expect(view.mark).toBeUndefined()
    await view.close()
  })

  test('refuses a range whose records are damaged', async () => {
    const view = await changed(async level => {
      await level.put(viewKey(ref('b')), Buffer.alloc(20))
    })
    const read = async (): Promise<number> => {
      let count = 0
      for await (const _ of view.range('objects', things, {})) count++
      return count
    }
    await expect(read()).rejects.toMatchObject({ code: 'CORRUPT', data: { file: view.path } })
    await view.close()
  })

  test('open twice is LOCKED', async () => {
    const path = join(temporaryDirectory(), 'view')
    const view = await View.open(path)
    await expect(View.open(path)).rejects.toMatchObject({ code: 'LOCKED' })
    await view.close()
  })

  test('that cannot be where it should says so', async () => {
    const directory = temporaryDirectory()
    writeFileSync(join(directory, 'file'), '')
    await expect(View.open(join(directory, 'file', 'view'))).rejects.toMatchObject({ code: 'NOT_ACCESSIBLE' })
    mkdirSync(join(directory, 'empty'))
    await (await View.open(join(directory, 'empty'))).close()
  })
})

test.each([
  ['IO error: 000005.log: No space left on device', 'STORAGE_FULL'],
  ['IO error: LOCK: Permission denied', 'NOT_ACCESSIBLE'],
  ['IO error: 000005.ldb: Too many open files', 'NOT_ACCESSIBLE'],
  ['Corruption: block checksum mismatch', 'CORRUPT'],
  ['IO error: 000005.ldb: Input/output error', 'CORRUPT'],
])('LevelDB’s %j is %s', (message, code) => {
  const error = Object.assign(new Error(message), { code: 'LEVEL_IO_ERROR' })
  expect(translateLevelError(error, 'view')).toMatchObject({ code })
})
