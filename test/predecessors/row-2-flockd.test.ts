import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { serve } from '@atolldb/server'
import { open, type Database } from 'atolldb'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'

/** What flockd promised, a key/value store on files and file locks. The processes run what `npm run build` made. */

const PROCESSES = 4
const INCREMENTS = 25

let directory: string
let db: Database

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'atoll-row-2-'))
  db = await open(join(directory, 'data'))
})
afterAll(async () => {
  await db.close()
  rmSync(directory, { recursive: true, force: true })
})

describe('row 2, flockd', () => {
  test('tables, nested too, do not see each other', async () => {
    const tables = ['north', 'north.sensors', 'north.sensors.cellar']
    for (const table of tables) await db.object(table).put('key', table)
    for (const table of tables) {
      expect(await db.object(table).get('key')).toBe(table)
      expect(await db.object(table).count()).toBe(1)
    }
  })

  test('values are bytes, and come back byte for byte', async () => {
    const all = Uint8Array.from({ length: 256 }, (_, byte) => byte)
    const blobs = db.object<Uint8Array>('blobs')
    await blobs.put('all', all)
    await blobs.put('none', new Uint8Array())
    expect(Buffer.from((await blobs.get('all'))!)).toEqual(Buffer.from(all))
    expect((await blobs.get('none'))!.length).toBe(0)
  })

  test('create fails if there is one and leaves that alone, update if there is none and leaves nothing', async () => {
    const farms = db.object('farms')
    await farms.create('north', 1)
    await expect(farms.create('north', 2)).rejects.toMatchObject({ code: 'EXISTS' })
    expect(await farms.get('north')).toBe(1)
    await expect(farms.update('south', 1)).rejects.toMatchObject({ code: 'MISSING' })
    expect(await farms.has('south')).toBe(false)
    await farms.update('north', 3)
    expect(await farms.get('north')).toBe(3)
  })

  test('a create that fails leaves nothing behind, no empty record either', async () => {
    const farms = db.object<unknown>('refused')
    await expect(farms.create('north', { bad: () => undefined })).rejects.toMatchObject({ code: 'INVALID' })
    expect([await farms.get('north'), await farms.has('north'), await farms.count()]).toEqual([undefined, false, 0])
  })

  test('deleting what is missing is fine', async () => {
    expect(await db.object('farms').delete('nowhere')).toBe(false)
  })

  test('forEach stops at the first error, and the caller gets that one', async () => {
    const steps = db.object<number>('steps')
    for (let i = 0; i < 5; i++) await steps.put(`${i}`, i)
    const visited: string[] = []
    const visiting = steps.forEach(async (value, id) => {
      await Promise.resolve()
      visited.push(id)
      if (value === 2) throw new Error('the third is enough')
    })
    await expect(visiting).rejects.toThrow('the third is enough')
    expect(visited).toEqual(['0', '1', '2'])
    await steps.forEach((_value, id) => void visited.push(id), { gt: '2', reverse: true })
    expect(visited).toEqual(['0', '1', '2', '4', '3'])
    const list = db.list<number>('step-list')
    await list.insertMany([1, 2, 3])
    let sum = 0
    await list.forEach(value => void (sum += value), { limit: 2 })
    expect(sum).toBe(3)
  })

  test('a lock that cannot be had in time is an error, and leaves what is there intact', async () => {
    await db.object('farms').put('locked', 1)
    const second = open(join(directory, 'data'), { lockWaitMs: 100 })
    await expect(second).rejects.toMatchObject({ code: 'LOCKED', data: { pid: process.pid } })
    expect(await db.object('farms').get('locked')).toBe(1)
    await db.object('farms').put('locked', 2)
    expect(await db.object('farms').get('locked')).toBe(2)
  })

  test('keys have spaces, punctuation, emoji, or nothing at all', async () => {
    const keys = [
      'a b',
      ' ',
      '',
      '.',
      '..',
      '/',
      'a/b',
      '\\',
      '"quoted"',
      "it's",
      '100%',
      '%20',
      'naïve',
      '🌾🚜',
      'a\nb',
      '~',
      'CON',
      '*?<>|:',
    ]
    const odd = db.object<string>('odd')
    for (const key of keys) await odd.put(key, `of ${key}`)
    expect(await odd.getMany(keys)).toEqual(keys.map(key => `of ${key}`))
    const { commit } = await db.flush()
    const then = (await db.at(commit)).object<string>('odd')
    expect(await then.getMany(keys)).toEqual(keys.map(key => `of ${key}`))
    expect(await odd.count()).toBe(keys.length)
  })

  test('many processes at once: no torn read, no lost update', async () => {
    await db.object('shared').put('counter', 0)
    const door = await serve(db, { directory: join(directory, 'data'), port: 0 })
    try {
      const writer = fileURLToPath(new URL('./door-writer.mjs', import.meta.url))
      const run = promisify(execFile)
      const outputs = await Promise.all(
        Array.from({ length: PROCESSES }, () =>
          run(process.execPath, [writer, door.url, door.token, String(INCREMENTS)]),
        ),
      )
      expect(outputs.map(({ stdout }) => stdout)).toEqual(Array.from({ length: PROCESSES }, () => '0\n'))
      expect(await db.object('shared').get('counter')).toBe(PROCESSES * INCREMENTS)
    } finally {
      await door.close()
    }
  })
})
