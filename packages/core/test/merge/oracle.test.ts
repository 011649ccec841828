import {
  MemoryObjectStore,
  buildHistory,
  sampleOracleRules,
  sampleRecord,
  sampleRuleRunner,
  sampleSchemas,
  sampleScripts,
} from '@atolldb/testkit'
import type { HistoryEdit, HistoryStep } from '@atolldb/testkit'
import fc from 'fast-check'
import { expect, it } from 'vitest'
import {
  ChangeLists,
  CommitGraph,
  canonicalJson,
  encodeUtf8,
  mainOf,
  mergeHeads,
  scriptRef,
  settingsRef,
} from '../../src/index.ts'
import type { CollectionName, CommitId, JsonValue, RecordRef } from '../../src/index.ts'
import { ExpectedTrees, adoptEach, shuffled, verifyAll } from './arrivals.ts'

/*
 * The incremental merge against the oracle, on random histories: whatever commits arrive in whatever order, the state is
 * the one that the definition gives, down to the ids of its tree and its merge commit. A failure prints its seed and path.
 *
 * ATOLL_PROPERTY_SECONDS=600 runs it for that long, on larger histories too.
 */
const seconds = Number(process.env['ATOLL_PROPERTY_SECONDS'] ?? 0)
const maxCommits = seconds > 0 ? 60 : 40

const keys = fc.constantFrom('a', 'b', 'c', '__proto__')
const paths = fc.array(keys, { minLength: 1, maxLength: 3 })
const leaves = fc.oneof(fc.nat({ max: 2 }), fc.constantFrom<JsonValue>('x', null, [], [1]))
const objects = fc.letrec<{ value: JsonValue; object: JsonValue }>(tie => ({
  value: fc.oneof({ maxDepth: 3 }, { weight: 2, arbitrary: leaves }, { weight: 3, arbitrary: tie('object') }),
  object: fc
    .array(fc.tuple(keys, tie('value')), { maxLength: 3 })
    .map(entries => Object.fromEntries(entries) as JsonValue),
}))
const values = fc.oneof(
  { weight: 8, arbitrary: objects.object },
  { weight: 1, arbitrary: leaves },
  { weight: 1, arbitrary: fc.uint8Array({ maxLength: 2 }) },
)

const tooDeep = '['.repeat(70) + ']'.repeat(70)

/** Settings of collections, or what is none; as JSON, as bytes of the same text, or as bytes of JSON that no value is. */
const settings = fc
  .tuple(
    fc.record(
      {
        policy: fc.constantFrom(
          'keep',
          'latest',
          'fields',
          'none',
          'script:',
          'script:c',
          ...Array.from({ length: 8 }, (_, i) => `script:${i % 2 === 0 ? 'a' : 'b'}`),
        ),
        schema: fc.oneof(fc.constantFrom(...sampleSchemas.map(({ schema }) => schema)), fc.constant(7)),
      },
      { requiredKeys: [] },
    ),
    fc.nat({ max: 9 }),
  )
  .map(([value, form]) => {
    if (form > 2) return value
    const text = canonicalJson(value)
    return encodeUtf8([text, ` ${text}`, text.replace(/}$/, `,"schema":{"const":${tooDeep}}}`)][form]!)
  })
const scripts = fc.oneof(
  { weight: 12, arbitrary: fc.constantFrom(...sampleScripts.map(({ source }) => encodeUtf8(source))) },
  // No text; and a text that is a string and no function.
  { weight: 1, arbitrary: fc.constantFrom<JsonValue | Uint8Array>(Uint8Array.of(255), 'base => base') },
)

const ruleRecords: readonly RecordRef[] = [
  settingsRef('lists', 'readings' as CollectionName),
  settingsRef('objects', 'mixed' as CollectionName),
  scriptRef('a'),
  scriptRef('b'),
]
/** The sixth is settings, of the farms; so are two of those that are there for rules. */
const SETTINGS = [5, 7, 8]
const SCRIPTS = [9, 10]

function recordAt(index: number): RecordRef {
  return ruleRecords[index - 7] ?? sampleRecord(index)
}

/** The first two records are JSON objects most of the time; the fourth is anything. */
const recordIndexes = fc.oneof(
  { weight: 6, arbitrary: fc.nat({ max: 1 }) },
  { weight: 4, arbitrary: fc.nat({ max: 6 }) },
)
function putsOf(records: readonly number[], value: fc.Arbitrary<JsonValue | Uint8Array>): fc.Arbitrary<HistoryEdit> {
  return fc.record({ record: fc.constantFrom(...records), action: fc.constant('put' as const), value })
}
const edits: fc.Arbitrary<HistoryEdit> = fc.oneof(
  { weight: 2, arbitrary: putsOf(SETTINGS, settings) },
  { weight: 2, arbitrary: putsOf(SCRIPTS, scripts) },
  {
    weight: 3,
    arbitrary: fc.record({ record: recordIndexes, action: fc.constant('put' as const), value: values }),
  },
  {
    weight: 6,
    arbitrary: fc.record({
      record: recordIndexes,
      action: fc.constant('assign' as const),
      path: paths,
      value: fc.oneof(leaves, objects.value),
    }),
  },
  { weight: 2, arbitrary: fc.record({ record: recordIndexes, action: fc.constant('remove' as const), path: paths }) },
  {
    weight: 1,
    arbitrary: fc.record({
      record: fc.oneof(recordIndexes, fc.constantFrom(...SETTINGS, ...SCRIPTS)),
      action: fc.constantFrom('keep' as const, 'delete' as const),
    }),
  },
)
const steps: fc.Arbitrary<HistoryStep> = fc.record({
  node: fc.nat({ max: 4 }),
  ownHead: fc.oneof({ weight: 6, arbitrary: fc.constant(true) }, { weight: 1, arbitrary: fc.constant(false) }),
  others: fc.oneof(
    { weight: 3, arbitrary: fc.constant([]) },
    { weight: 3, arbitrary: fc.array(fc.nat({ max: 5 }), { minLength: 1, maxLength: 3 }) },
    { weight: 1, arbitrary: fc.array(fc.nat({ max: 40 }), { minLength: 1, maxLength: 2 }) },
  ),
  aheadMs: fc.oneof(fc.nat({ max: 3 }), fc.nat({ max: 30 })),
  edits: fc.array(edits, { minLength: 1, maxLength: 3 }),
})
/** Most histories begin with rules, which not every commit of theirs has seen. */
const beginnings: fc.Arbitrary<HistoryStep[]> = fc
  .tuple(putsOf([5], settings), putsOf([8], settings), putsOf([9], scripts), putsOf([10], scripts))
  .map(rules => [{ node: 0, ownHead: false, others: [], aheadMs: 1, edits: rules }])
const plans = fc.record({
  steps: fc
    .tuple(
      fc.oneof({ weight: 2, arbitrary: beginnings }, { weight: 1, arbitrary: fc.constant([]) }),
      fc.array(steps, { minLength: 1, maxLength: maxCommits - 1, size: 'max' }),
    )
    .map(([first, others]) => [...first, ...others]),
  // Sort keys: what arrives when.
  orders: fc.array(fc.array(fc.nat(), { minLength: maxCommits + 1, maxLength: maxCommits + 1 }), {
    minLength: 2,
    maxLength: 2,
  }),
  // So small that change lists are computed again and again, or large enough for all.
  cachedChanges: fc.constantFrom(1, 100_000),
})

type Plan = typeof plans extends fc.Arbitrary<infer Value> ? Value : never

it(
  'gives the state of the definition, whatever the history and the order of arrival',
  async () => {
    await fc.assert(
      fc.asyncProperty(plans, compareWithOracle),
      seconds > 0
        ? { numRuns: 1_000_000_000, interruptAfterTimeLimit: seconds * 1000 }
        : { numRuns: 180, interruptAfterTimeLimit: 20_000 },
    )
  },
  (seconds + 60) * 1000,
)

it('starts from the value that all have seen, however the policy of then had found it', async () => {
  const step = (node: number, others: number[], aheadMs: number, edit: HistoryEdit): HistoryStep => ({
    node,
    ownHead: false,
    others,
    aheadMs,
    edits: [edit],
  })
  const plan = [
    step(0, [], 1, { record: 0, action: 'put', value: { a: 0, z: 9 } }),
    // An array and an object: the later wins as a whole, `z` included, which it did not assign.
    step(1, [0], 1, { record: 0, action: 'put', value: [1, 2] }),
    step(2, [1], 2, { record: 0, action: 'put', value: { a: 1, x: 0, z: 9 } }),
    // Seen by one of the two below only, and so early that the search for changes comes past the versions above.
    step(3, [2], 0, { record: 1, action: 'put', value: {} }),
    step(1, [1, 2], 1, { record: 0, action: 'assign', path: ['q'], value: 1 }),
    step(2, [1, 2, 3], 1, { record: 0, action: 'assign', path: ['y'], value: 1 }),
  ]
  const orders = [0, 1].map(i => Array.from({ length: 7 }, (_, at) => (i === 0 ? at : -at)))
  await compareWithOracle({ steps: plan, orders, cachedChanges: 1 })
})

async function compareWithOracle({ steps: plan, orders, cachedChanges }: Plan): Promise<void> {
  const store = new MemoryObjectStore()
  const history = await buildHistory(store, plan, { recordAt, rules: sampleOracleRules })
  const graph = new CommitGraph(store)
  const changes = new ChangeLists(graph, store, { cachedChanges })
  const context = { store, graph, changes, rules: sampleRuleRunner }
  const expected = new ExpectedTrees(store, history)
  const mains = new Set<CommitId>()
  for (const order of orders) {
    const state = await adoptEach(context, history, expected, shuffled(history.commits, order))
    mains.add((await mainOf(context, state)).id)
    const heads = history.oracle.heads(history.commits)
    mains.add((await mainOf(context, await mergeHeads(context, shuffled(heads, order)))).id)
  }
  expect(mains.size).toBe(1)
  await verifyAll(context, history, mains)
}
