import {
  canonicalJson,
  conflictEntryRef,
  decodeUtf8,
  encodeUtf8,
  type JsonValue,
  type RecordContent,
  type RecordKey,
  recordKey,
  type RecordRef,
} from '@atolldb/core'
import { hashObject } from '@atolldb/git'
import { drawRule, ruleRecords } from '../random-rules.ts'
import type { NodeLife } from './node-life.ts'
import type { SeededRandom } from './seeded-random.ts'
import type { SimulatedChange } from './simulated-disk.ts'

/** Few, so that nodes meet on them. */
const hotRecords: readonly RecordRef[] = [
  recordRef('objects', 'farms', 'north'),
  recordRef('objects', 'farms', 'south'),
  recordRef('objects', 'mixed', ''),
]
const lineIdCharacters = '0123456789abcdefghjkmnpqrstvwxyz'
const paths = ['crop', 'area', 'owner'] as const

/** Draws what users do: they put, patch, delete, insert, write batches, write what is there already, and change rules. */
export class Workload {
  readonly #random: SeededRandom
  readonly #lines: RecordRef[] = []
  #marks = 0

  constructor(random: SeededRandom) {
    this.#random = random
  }

  hotRecord(): RecordRef {
    return this.#random.pick(hotRecords)
  }

  /** One write of one node. */
  async writeAt(life: NodeLife): Promise<void> {
    const count = this.#random.chance(0.15) ? 2 + this.#random.below(3) : 1
    await life.write(async () => {
      const changeByRecord = new Map<RecordKey, SimulatedChange>()
      for (let i = 0; i < count; i++) {
        const change = await this.#change(life)
        changeByRecord.set(recordKey(change), change)
      }
      const settled: SimulatedChange[] = []
      for (const change of changeByRecord.values()) {
        const entry = conflictEntryRef(change)
        if ((await life.read(entry)) !== undefined) settled.push({ ...entry, content: undefined })
      }
      return [...changeByRecord.values(), ...settled]
    })
  }

  async #change(life: NodeLife): Promise<SimulatedChange> {
    const action = this.#random.next()
    if (action < 0.03) return this.#rule()
    if (action < 0.2) return this.#line(life)
    if (action < 0.35)
      return { ...recordRef('objects', 'farms', `cold-${++this.#marks}`), content: json(this.#value()) }
    const ref = this.hotRecord()
    const before = await life.read(ref)
    if (action < 0.45) return { ...ref, content: undefined }
    if (action < 0.5 && ref.collection === 'mixed')
      return { ...ref, content: content('bytes', Uint8Array.of(this.#random.below(256), ++this.#marks & 0xff)) }
    if (action < 0.65 || before?.format !== 'json') return { ...ref, content: json(this.#value()) }
    const bytes = before.bytes ?? (await life.bytesOf(before))
    if (action < 0.7) return { ...ref, content: content('json', bytes) }
    return { ...ref, content: json(this.#patched(JSON.parse(decodeUtf8(bytes)) as JsonValue)) }
  }

  async #line(life: NodeLife): Promise<SimulatedChange> {
    const old = this.#lines.length > 0 && this.#random.chance(0.3) ? this.#random.pick(this.#lines) : undefined
    if (old !== undefined && (await life.read(old)) !== undefined) return { ...old, content: undefined }
    const ref = recordRef('lists', 'readings', this.#lineId())
    this.#lines.push(ref)
    return { ...ref, content: json(++this.#marks) }
  }

  /** Nodes meet on rules too: two of them set another one at once. */
  #rule(): SimulatedChange {
    const ref = this.#random.pick(ruleRecords)
    const rule = drawRule(this.#random, ref)
    if (rule === undefined) return { ...ref, content: undefined }
    return { ...ref, content: rule instanceof Uint8Array ? content('bytes', rule) : json(rule) }
  }

  #lineId(): string {
    return `01${Array.from({ length: 24 }, () => lineIdCharacters.charAt(this.#random.below(32))).join('')}`
  }

  #value(): JsonValue {
    const value: { [key: string]: JsonValue } = { mark: ++this.#marks }
    for (const path of paths) if (this.#random.chance(0.5)) value[path] = this.#random.below(3)
    return this.#random.chance(0.05) ? [this.#marks] : value
  }

  #patched(value: JsonValue): JsonValue {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) return this.#value()
    const path = this.#random.pick(paths)
    const { [path]: before, ...others } = value
    return before !== undefined && this.#random.chance(0.2)
      ? others
      : { ...others, [path]: this.#random.chance(0.3) ? { depth: ++this.#marks } : this.#random.below(5) }
  }
}

function json(value: JsonValue): RecordContent {
  return content('json', encodeUtf8(canonicalJson(value)))
}

function content(format: RecordContent['format'], bytes: Uint8Array): RecordContent {
  return { format, bytes, version: hashObject('blob', bytes) }
}

function recordRef(kind: RecordRef['kind'], collection: string, id: string): RecordRef {
  return { kind, collection: collection as RecordRef['collection'], id: id as RecordRef['id'] }
}
