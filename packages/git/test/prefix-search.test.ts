import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { ObjectId } from '@atolldb/core'
import { expect, it } from 'vitest'
import { git, openRepository, temporaryDirectory } from './fixtures.ts'

it.each([
  ['in memory', 3_000],
  ['read in windows', 40_000],
])('finds the ids that begin alike, where the index is %s', async (_where, objects) => {
  const directory = join(temporaryDirectory(), 'repo.git')
  const repository = await openRepository(directory, { create: true })
  const stage = repository.stage()
  const ids = Array.from({ length: objects }, (_, i) => stage.writeBlob(Buffer.from(`{"record":${i}}`)))
  await stage.commit()
  // A pack more, and an object that stock git wrote.
  const again = repository.stage()
  ids.push(again.writeBlob(Buffer.from('in a pack of its own')))
  await again.commit()
  ids.push(git(directory, ['hash-object', '-w', '--stdin'], Buffer.from('loose')).trim() as ObjectId)
  ids.sort()
  const beginning = (prefix: string): ObjectId[] => ids.filter(id => id.startsWith(prefix))
  const [first, last, middle] = [ids[0]!, ids.at(-1)!, ids[ids.length >> 1]!]
  for (const prefix of [
    '00',
    'ff',
    '7f',
    '80',
    '000',
    'fff',
    '00000000',
    'ffffffff',
    ...[first, last, middle].flatMap(id => [2, 3, 4, 7, 40].map(length => id.slice(0, length))),
  ])
    expect(await repository.idsWithPrefix(prefix), prefix).toEqual(beginning(prefix))
  for (const id of ids.slice(-2)) expect(await repository.idsWithPrefix(id.slice(0, 6))).toContain(id)
})

it('asks the directory when packs have come and gone', async () => {
  const directory = join(temporaryDirectory(), 'repo.git')
  const repository = await openRepository(directory, { create: true })
  for (let i = 0; i < 4; i++) {
    const stage = repository.stage()
    stage.writeBlob(Buffer.from(`${i}`))
    await stage.commit()
  }
  const id = repository.blobId(Buffer.from('2'))
  await repository.compact({ all: true })
  expect(await repository.idsWithPrefix(id.slice(0, 8))).toEqual([id])
  rmSync(join(directory, 'objects/pack'), { recursive: true })
  await expect(repository.idsWithPrefix(id.slice(0, 8))).rejects.toMatchObject({ name: 'AtollError' })
})
