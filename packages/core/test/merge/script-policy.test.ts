import { MemoryObjectStore, buildHistory, sampleRuleRunner, sampleScripts } from '@atolldb/testkit'
import type { HistoryEdit, HistoryStep } from '@atolldb/testkit'
import { expect, it } from 'vitest'
import {
  ChangeLists,
  CommitGraph,
  MAX_SCRIPT_INPUT_BYTES,
  MAX_VALUE_BYTES,
  conflictEntryRef,
  decodeConflictEntry,
  encodeUtf8,
  lookupRecord,
  mergeHeads,
  scriptRef,
  settingsRef,
} from '../../src/index.ts'
import type { CollectionName, JsonValue, RecordRef, RuleRunner, ScriptRun } from '../../src/index.ts'

const farms = 'farms' as CollectionName
const north = { kind: 'objects', collection: farms, id: 'north' } as RecordRef
const recordAt = (index: number): RecordRef => [north, settingsRef('objects', farms), scriptRef('a')][index]!
const put = (record: number, value: JsonValue | Uint8Array): HistoryEdit => ({ record, action: 'put', value })

/** A record of a collection that is merged by a script, as several nodes wrote it at once; and what the script was asked. */
async function mergeByScript(base: JsonValue, values: readonly (JsonValue | Uint8Array)[]) {
  const source = sampleScripts[0]!.source
  const step = (node: number, back: number, edits: HistoryEdit[]): HistoryStep => ({
    node,
    ownHead: false,
    others: [back],
    aheadMs: node + 1,
    edits,
  })
  const steps = [
    step(0, 0, [put(0, base), put(1, { policy: 'script:a' }), put(2, encodeUtf8(source))]),
    ...values.map((value, i) => step(i, i, [put(0, value)])),
  ]
  const store = new MemoryObjectStore()
  const runs: ScriptRun[] = []
  const rules: RuleRunner = {
    ...sampleRuleRunner,
    runScript(run) {
      runs.push(run)
      return sampleRuleRunner.runScript(run)
    },
  }
  // The oracle is not asked: what values a script merges is all that is looked at here.
  const { commits } = await buildHistory(store, steps, { recordAt })
  const graph = new CommitGraph(store)
  const { tree } = await mergeHeads({ store, graph, changes: new ChangeLists(graph, store), rules }, commits.slice(2))
  const entry = await lookupRecord(store, tree, conflictEntryRef(north))
  const { contested, reason } = decodeConflictEntry(await store.readBlob(entry!.version))
  return {
    contested,
    reason,
    inputs: new Set(runs.map(({ base: text, versions }) => JSON.stringify([text, ...versions]))),
  }
}

it('is given the texts of base and versions, the latest last', async () => {
  const { contested, reason, inputs } = await mergeByScript({ n: 1 }, [{ n: 2 }, 'x', [3]])
  expect({ contested, reason }).toEqual({ contested: false, reason: undefined })
  // Merged one after the other; the last time with all of them.
  expect([...inputs].at(-1)).toBe(JSON.stringify(['{"n":1}', '{"n":2}', '"x"', '[3]']))
})

it('is not given bytes', async () => {
  const merged = await mergeByScript({ n: 1 }, [{ n: 2 }, Uint8Array.of(1)])
  expect(merged).toEqual({ contested: true, reason: 'script-input', inputs: new Set() })
})

it('is given so much and no more, and what is too much is not read to its end', async () => {
  const large = 'x'.repeat(MAX_VALUE_BYTES - '""'.length)
  const most = Array.from({ length: MAX_SCRIPT_INPUT_BYTES / MAX_VALUE_BYTES }, (_, i) => large.replace('x', String(i)))
  expect(await mergeByScript('', most.slice(1))).toMatchObject({ contested: false })
  const [first, ...others] = most
  const merged = await mergeByScript(first!, [...others, 1])
  expect(merged).toMatchObject({ contested: true, reason: 'script-limits' })
  // Two or three of them were little enough.
  expect(merged.inputs.size).toBe(2)
})
