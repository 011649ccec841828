import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type ChangeList, CLOCK_ZERO, type CollectionName, type RecordId } from '@atolldb/core'
import { expect, test } from 'vitest'
import { UndoneLog } from '../../src/history/undone.ts'
import type { JournalEntry } from '../../src/journal/frame.ts'
import { temporaryDirectory } from '../temporary.ts'

/** An entry that changes one record. */
function entry(sequence: number, id: string): JournalEntry {
  const change = {
    kind: 'objects',
    collection: 'farms' as CollectionName,
    id: id as RecordId,
    content: undefined,
  } as const
  return { sequence, main: undefined, clock: CLOCK_ZERO, changes: [change] }
}

/** A seal of two entries that undo each other. */
async function addPair(log: UndoneLog, sequence: number, id = `farm-${sequence}`): Promise<void> {
  await log.add([entry(sequence, id), entry(sequence + 1, id)], undefined)
}

function ids(log: UndoneLog, sequence: number, sealed = Infinity): string[] | undefined {
  return log.since(sequence, sealed)?.map(({ ref }) => ref.id)
}

const noChanges: ChangeList = new Map()

test('it tells what was undone of who knows the first write and not the last', async () => {
  const directory = temporaryDirectory()
  const log = await UndoneLog.open(directory, 0)
  await log.add(
    ['a', 'b', 'a', 'b', 'c'].map((id, i) => entry(i + 1, id)),
    noChanges,
  )
  await addPair(log, 6, 'd')
  for (const each of [log, await UndoneLog.open(directory, 7)]) {
    expect([0, 1, 2, 3, 4, 5, 6, 7].map(sequence => ids(each, sequence))).toEqual([
      [],
      ['a'],
      ['a', 'b'],
      ['b'],
      [],
      [],
      ['d'],
      [],
    ])
    expect(ids(each, 6, 5)).toEqual([])
  }
})

test('of what was dropped it says that it does not know', async () => {
  const directory = temporaryDirectory()
  const log = await UndoneLog.open(directory, 0, 500)
  for (let sequence = 1; sequence < 100; sequence += 2) await addPair(log, sequence)
  expect(readFileSync(join(directory, 'undone')).length).toBeLessThan(500)
  for (const each of [log, await UndoneLog.open(directory, 100, 500)]) {
    expect(ids(each, 1)).toBeUndefined()
    expect(ids(each, 97)).toEqual(['farm-97'])
    expect(ids(each, 99)).toEqual(['farm-99'])
  }
})

test.each([
  ['torn', (file: string): void => appendFileSync(file, '01234567 {"after"')],
  ['damaged', (file: string): void => writeFileSync(file, readFileSync(file, 'utf8').replace('farm-1', 'farm-2'))],
])('where its file is %s it is begun anew', async (_, harm) => {
  const directory = temporaryDirectory()
  await addPair(await UndoneLog.open(directory, 0), 1)
  harm(join(directory, 'undone'))
  const log = await UndoneLog.open(directory, 2)
  expect([ids(log, 1), ids(log, 2)]).toEqual([undefined, []])
  await addPair(log, 3)
  expect(ids(await UndoneLog.open(directory, 4), 3)).toEqual(['farm-3'])
})
