import type { Conflict } from '@atolldb/client'
import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { conflictJson, conflictLines, conflictRow } from '../src/conflict-lines.ts'
import { Output } from '../src/output.ts'

const io = { stdin: new PassThrough(), stdout: new PassThrough(), stderr: new PassThrough(), env: {} }
const out = new Output({ ...io, onEndSignal: () => () => undefined }, false)

const version = 'e'.repeat(40)
const conflict: Conflict = {
  kind: 'objects',
  collection: 'farms',
  id: 'north',
  version,
  contested: true,
  reason: 'script-failed',
  base: undefined,
  versions: [
    {
      commit: 'a'.repeat(40),
      author: { name: 'barn', node: 'n' },
      time: new Date(0),
      op: 'delete',
      value: undefined,
      version: undefined,
    },
    {
      commit: 'b'.repeat(40),
      author: { name: 'hut', node: 'm' },
      time: new Date(1000),
      op: 'put',
      value: new Uint8Array([1, 2]),
      version,
    },
  ],
  chosen: { crop: '\u001b[31m' },
}

it('shows a conflict with its reason, and nothing that steers a terminal', () => {
  expect(conflictLines(conflict, out)).toEqual([
    `contested ${version}`,
    'because the merge script failed',
    'before                                 (none)',
    'aaaaaaaaaa  barn  1970-01-01 00:00:00  (deleted)',
    'bbbbbbbbbb  hut   1970-01-01 00:00:01  (2 bytes)',
    String.raw`chosen                                 {"crop":"\u001b[31m"}`,
  ])
  const { reason: _reason, ...others } = conflict
  expect(conflictLines(others, out)[1]).toMatch(/^before/)
  expect(conflictRow(conflict)).toEqual(['farms/north', 'contested', '2 versions', 'barn, hut', '1970-01-01 00:00:01'])
})

it('is as the door has it in JSON', () => {
  expect(conflictJson(conflict)).toMatchObject({
    reason: 'script-failed',
    base: null,
    versions: [{ op: 'delete' }, { bytes: 'AQI=', version }],
    chosen: { value: { crop: '\u001b[31m' } },
  })
})
