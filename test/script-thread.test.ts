import { expect, onTestFinished, test } from 'vitest'
import type * as Library from 'atolldb'

/** Scripts in a thread of their own need a file that Node can load, so this is the built package's. */
const { open } = (await import(new URL('../packages/db/dist/index.js', import.meta.url).href)) as typeof Library

test('the built library runs scripts in its thread, which no script can hold up', async () => {
  const db = await open('./unused', { storage: 'memory' })
  onTestFinished(() => db.close())
  await db.scripts.put('first', '(base, versions) => versions[0]')
  await expect(db.scripts.put('bad', '42')).rejects.toMatchObject({ code: 'INVALID' })
  let turns = 0
  const timer = setInterval(() => turns++, 1)
  onTestFinished(() => clearInterval(timer))
  await expect(db.scripts.put('endless', '(() => { for (;;); })()')).rejects.toMatchObject({ code: 'INVALID' })
  expect(turns).toBeGreaterThan(10)
  const recursion = '(() => { const f = () => f() + 1; return f() })()'
  await expect(db.scripts.put('deep', recursion)).rejects.toMatchObject({ code: 'INVALID' })
  expect(await db.scripts.list()).toEqual(['first'])
})
