import type { CollectionName, JsonValue, RecordRef } from '@atolldb/core'
import type { HistoryEdit, HistoryStep } from './random-history.ts'
import { drawRule, ruleRecords } from './random-rules.ts'
import type { SeededRandom } from './simulator/seeded-random.ts'

/*
 * Histories of thousands of commits: nodes that meet now and then and go apart for long, backups that are restored and go on,
 * a few records that everybody writes and many that few do, and rules that change meanwhile.
 */

export interface LongHistoryPlan {
  readonly commits: number
  readonly nodes: number
  /** Besides those that hold rules. */
  readonly records: number
  /** Sources of the merge scripts; by default all samples, those that take a real sandbox a second included. */
  readonly scripts?: readonly string[]
  /** Only JSON objects or only other values, so that all is merged by `fields` or `latest`; then there are no rules either. */
  readonly values?: 'objects' | 'others'
}

const farms = 'farms' as CollectionName
const mixed = 'mixed' as CollectionName
const readings = 'readings' as CollectionName
const HOT_RECORDS = 6
/** Commits that nobody sees but who goes on from them, at the end of every so many. */
const APART = 150
const SEASON = 500

/** What the numbers of records mean in such a history. */
export function longHistoryRecord(index: number): RecordRef {
  const rule = ruleRecords[index]
  if (rule !== undefined) return rule
  const id = String(index).padStart(4, '0')
  if (index % 4 === 1) return { kind: 'objects', collection: mixed, id } as RecordRef
  if (index % 4 === 2) return { kind: 'lists', collection: readings, id: `01arz3ndektsv4rrffq69g${id}` } as RecordRef
  return { kind: 'objects', collection: farms, id } as RecordRef
}

export function drawSteps(random: SeededRandom, plan: LongHistoryPlan): HistoryStep[] {
  const first: HistoryStep = {
    node: 0,
    ownHead: false,
    others: [],
    aheadMs: 1,
    edits:
      plan.values === undefined ? ruleRecords.map((_, i) => drawRuleEdit(random, plan, i)) : [drawEdit(random, plan)],
  }
  return [first, ...Array.from({ length: plan.commits - 1 }, (_, i) => drawStep(random, plan, i))]
}

function drawStep(random: SeededRandom, plan: LongHistoryPlan, number: number): HistoryStep {
  const isApart = number % SEASON >= SEASON - APART
  const isRestored = random.chance(0.02)
  const others: number[] = []
  if (isRestored) others.push(random.below(200))
  else if (!isApart && random.chance(0.25)) others.push(random.below(12), random.below(12))
  else if (random.chance(0.01)) others.push(random.below(1000))
  return {
    node: random.below(plan.nodes),
    ownHead: !isRestored,
    others,
    aheadMs: random.chance(0.2) ? random.below(60) : random.below(4),
    edits: Array.from({ length: 1 + random.below(3) }, () => drawEdit(random, plan)),
  }
}

function drawEdit(random: SeededRandom, plan: LongHistoryPlan): HistoryEdit {
  if (plan.values === undefined && random.chance(0.03))
    return drawRuleEdit(random, plan, random.below(ruleRecords.length))
  const record = ruleRecords.length + random.below(random.chance(0.2) ? HOT_RECORDS : plan.records)
  const kind = random.next()
  const puts = plan.values === 'others' ? 0.75 : 0.25
  if (kind < puts) return { record, action: 'put', value: drawValue(random, plan) }
  if (kind < 0.75) return { record, action: 'assign', path: drawPath(random), value: drawJson(random, 2) }
  if (kind < 0.85) return { record, action: 'remove', path: drawPath(random) }
  return { record, action: random.chance(0.5) ? 'keep' : 'delete' }
}

function drawRuleEdit(random: SeededRandom, plan: LongHistoryPlan, record: number): HistoryEdit {
  const value = drawRule(random, ruleRecords[record]!, plan.scripts)
  return value === undefined ? { record, action: 'delete' } : { record, action: 'put', value }
}

function drawValue(random: SeededRandom, { values }: LongHistoryPlan): JsonValue | Uint8Array {
  if (values === 'others') return random.chance(0.5) ? Uint8Array.of(random.below(4)) : drawJson(random, 0)
  if (values === undefined && random.chance(0.05)) return Uint8Array.of(random.below(4))
  if (values === undefined && random.chance(0.05)) return drawJson(random, 0)
  return { [random.pick(keys)]: drawJson(random, 2), a: random.below(3) }
}

const keys = ['a', 'b', 'c', '__proto__']

function drawPath(random: SeededRandom): string[] {
  return Array.from({ length: 1 + random.below(2) }, () => random.pick(keys))
}

function drawJson(random: SeededRandom, depth: number): JsonValue {
  if (depth > 0 && random.chance(0.4)) return { [random.pick(keys)]: drawJson(random, depth - 1) }
  return random.pick<JsonValue>([0, 1, 2, 'x', null, [], [1]])
}
