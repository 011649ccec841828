import { expect, onTestFinished, test } from 'vitest'
import { type Database, open } from '../../src/index.ts'
import { temporaryDirectory } from '../temporary.ts'
import { collected } from './collected.ts'

/** An Object and a List of one name, a commit each; then a commit that changes both. */
async function nameOfTwo(): Promise<{ db: Database; commits: string[]; id: string }> {
  const db = await open(temporaryDirectory(), { storage: 'memory', seal: { maxDelayMs: 60_000 } })
  onTestFinished(() => db.close())
  const commits: string[] = []
  let id = ''
  const sealed = async (): Promise<void> => void commits.push((await db.flush()).commit)
  await db.batch(tx => tx.object('north').put('crop', 'rye'))
  await sealed()
  id = await db.batch(tx => tx.list('north').insert(21.5))
  await sealed()
  await db.batch(tx => {
    tx.object('north').put('crop', 'oats')
    tx.list('north').delete(id)
    tx.object('south').put('crop', 'rye')
  })
  await sealed()
  return { db, commits, id }
}

test('a collection is named without its kind, and a record by whatever told of it', async () => {
  const { db, commits, id } = await nameOfTwo()
  const [first, second, third] = commits as [string, string, string]
  const logged = async (scope: object): Promise<unknown[]> =>
    (await collected(db.log(scope))).map(({ commit, change }) => [
      commit,
      ...(change === undefined ? [] : [change.kind]),
    ])
  expect(await logged({ collection: 'north' })).toEqual([[third], [second], [first]])
  expect(await logged({ collection: 'north', kind: 'lists' })).toEqual([[third], [second]])
  expect(await logged({ object: 'north' })).toEqual([[third], [first]])
  expect(await logged({ collection: 'north', id: 'crop' })).toEqual([
    [third, 'objects'],
    [first, 'objects'],
  ])
  // The List has no record any more: its history tells what it was.
  expect(await logged({ collection: 'north', id: id.toUpperCase() })).toEqual([
    [third, 'lists'],
    [second, 'lists'],
  ])

  const changes = await collected(db.diff(first, third, { collection: 'north' }))
  expect(changes.map(({ kind, op }) => `${kind} ${op}`)).toEqual(['objects put'])
  const [change] = changes
  expect(await logged(change!)).toEqual(await logged({ object: 'north', id: 'crop' }))
  expect(await collected(db.diff(second, third, { collection: 'north', id }))).toMatchObject([{ kind: 'lists', id }])

  const fed = async (scope: object): Promise<string[]> =>
    (await collected(db.changes({ since: '0', live: false, ...scope }))).map(told => `${told.kind} ${told.id}`)
  expect(await fed({ collection: 'north', kind: 'lists' })).toEqual(await fed({ list: 'north' }))
  expect((await fed({ collection: 'north' })).toSorted()).toEqual(
    [...(await fed({ object: 'north' })), ...(await fed({ list: 'north' }))].toSorted(),
  )
  expect(await fed({ collection: 'north', id: 'crop' })).toEqual(await fed({ object: 'north' }))
})

test('a scope that names too much, or too little, is refused', async () => {
  const { db } = await nameOfTwo()
  for (const scope of [
    { object: 'north', list: 'north' },
    { object: 'north', collection: 'north' },
    { list: 'north', kind: 'lists' as const },
    { kind: 'lists' as const },
    { id: 'crop' },
    { collection: 'north', kind: 'objekte' as never },
    { collection: 'north', kind: 'lists' as const, id: 'crop' },
    { collection: 'No' },
  ])
    await expect(collected(db.log(scope)), JSON.stringify(scope)).rejects.toMatchObject({ code: 'INVALID' })
  await expect(collected(db.log({ collection: 'north', id: 'x'.repeat(600) }))).rejects.toMatchObject({
    code: 'TOO_LARGE',
  })
})
